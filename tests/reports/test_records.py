"""The data of the page: outcomes, order, images, and JSON that is safe in a script element."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec import structs
from PIL import Image

from cambrian_eval.image import LazyImage
from cambrian_eval.reports.catalogue import conditions_in_order, scorers_in_order
from cambrian_eval.reports.page import images
from cambrian_eval.reports.page.records import browsable, outcome, script_json, thought_class
from cambrian_eval.reports.runs import open_runs
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.sample import Outcome, Sample, Verdict

RECORD = Record("1", "k", "Question", (), "failed: nothing", "stop", None, 1, 1, 0.1, {})
SAMPLE = Sample("1", 0, "Question", ("A",))


@pytest.mark.parametrize(
    ("named", "value", "letter"),
    [
        ("read", 1.0, "r"),
        ("read", 0.5, "p"),
        ("read", 0.0, "w"),
        ("unparsed", 0.0, "u"),
        ("failed", 0.0, "f"),
        ("undecided", 0.0, "n"),
        ("withheld", 0.0, "h"),
    ],
)
@pytest.mark.parametrize("rule", ["failed: no answer", "undecided: twice", "equal to the answer"])
def test_the_outcome_decides_whatever_the_rule_says(named: Outcome, value: float, letter: str, rule: str) -> None:
    assert outcome(SAMPLE, Verdict(value, None, rule, named), RECORD) == letter


def test_without_a_response_or_an_answer_nothing_is_right_or_wrong() -> None:
    right = Verdict(1.0, "A", "equal to the answer")
    assert outcome(SAMPLE, right, None) == outcome(SAMPLE, None, RECORD) == "."
    assert outcome(Sample("1", 0, "Question", ()), right, RECORD) == "h"


def test_conditions_and_scorers_that_are_not_installed_come_last() -> None:
    assert conditions_in_order({"zoom", "noise", "off", "blur", "on"}) == ["on", "off", "noise", "blur", "zoom"]
    assert scorers_in_order({"judge", "official", "exact", "fuzzy"}) == ["fuzzy", "official", "exact", "judge"]


def test_images_shown_are_those_the_model_saw(runs: tuple[Path, Path]) -> None:
    data = browsable(open_runs(runs))
    notes: list[str] = []
    found = dict(images.find(open_runs(runs), data.images, notes))
    assert notes == []
    assert set(found) == set(data.images) and all(jpeg.startswith(b"\xff\xd8") for jpeg in found.values())


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((640, 480), (320, 240)),
        ((640, 427), (320, 214)),
        ((500, 375), (320, 240)),
        ((40, 1600), (8, 320)),
        ((3000, 2), (320, 1)),
        ((200, 100), (200, 100)),
    ],
)
def test_a_thumbnail_is_the_whole_image(kind: str, size: tuple[int, int], small: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (250, 30, 30))
    image.paste((30, 30, 250), (size[0] // 2, 0, *size))
    encoded = io.BytesIO()
    image.save(encoded, format=kind)
    with Image.open(io.BytesIO(images.thumbnail(LazyImage(encoded.getvalue)))) as found:
        assert (found.format, found.size) == ("JPEG", small)
        middle = small[1] // 2
        for x, color in ((0, (250, 30, 30)), (small[0] - 1, (30, 30, 250))):
            assert max(abs(a - b) for a, b in zip(found.getpixel((x, middle)), color, strict=True)) < 60


def test_of_too_many_images_every_benchmark_has_its_first(runs: tuple[Path, Path], tmp_path: Path) -> None:
    opened = open_runs(runs[:1])
    data = browsable(opened)
    found = images.gathered(opened, data.images, tmp_path, most=8)
    assert found.notes == [f"thumbnails of 8 of {len(data.images)} images; --max-images 0 makes all of them"]
    run = opened[0].run
    firsts: set[str] = set()
    for benchmark in run.benchmarks():  # four benchmarks, two images each
        shown = dict.fromkeys(d for r in run.responses(Cell(benchmark, "on")).values() for d in r.images)
        firsts |= {digest[:24] for digest in list(shown)[:2]}
    assert set(found.embedded) == firsts


@pytest.mark.parametrize(
    ("tokens", "thoughts", "letter"),
    [(None, "", "0"), (5, "", "1"), (99, "", "1"), (100, "", "2"), (2000, "x", "4"), (None, "two words", "1")],
)
def test_thoughts_have_classes_of_length(tokens: int | None, thoughts: str, letter: str) -> None:
    assert thought_class(structs.replace(RECORD, thoughts=thoughts, thought_tokens=tokens)) == letter


def test_columns_have_a_character_a_sample(runs: tuple[Path, Path]) -> None:
    data = browsable(open_runs(runs))
    n = len(data.columns["ids"])
    assert n == sum(b["n"] for b in data.index["benchmarks"])
    for key in ("outcomes", "rules"):
        assert set(map(len, data.columns[key].values())) == {n}
    rows = [row for block in data.blocks for row in json.loads(block)]
    assert len(rows) == n
    for i, row in enumerate(rows):
        for v, cell in row["v"].items():
            for s, (_, _, rule, letter) in cell["s"].items():
                assert data.columns["outcomes"][f"{v}:{s}"][i] == letter
                number = ord(data.columns["rules"][f"{v}:{s}"][i]) - 0x100
                assert data.columns["ruleNames"][number] == rule


def test_script_json_cannot_end_its_element() -> None:
    text = script_json({"a": "</script><!-- \u2028 & \ud800"})
    assert "<" not in text and ">" not in text and "&" not in text and "\u2028" not in text and text.isprintable()
