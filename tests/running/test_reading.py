"""Samples and verdicts come back from their files, quickly or line by line, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.errors import UserError
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict

CELL = Cell("gqa", "on")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-7, 5e-324, 1 / 3])
VERDICTS = st.builds(
    Verdict,
    VALUES,
    st.none() | TEXTS,
    TEXTS,
    st.sampled_from(["read", "unparsed", "failed", "undecided", "withheld"]),
    st.none() | st.sampled_from(["empty", "refusal", "cut off"]),
)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
SAMPLES = st.builds(
    Sample,
    id=TEXTS,
    index=st.integers(0, 10**6),
    question=TEXTS,
    answers=st.lists(TEXTS, max_size=2).map(tuple),
    choices=st.lists(TEXTS, max_size=2).map(tuple),
    image_id=st.none() | TEXTS,
    tags=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2).map(tuple), max_size=2),
    extra=st.dictionaries(TEXTS, PLAIN | st.lists(PLAIN | st.floats(0, 1e30), max_size=2), max_size=2),
)


def spaced(path: Path) -> None:
    """The same JSON with a space in every line, which no version of the store writes."""
    path.write_bytes(b"".join(b" " + line + b"\n" for line in path.read_bytes().split(b"\n")[:-1]))


@settings(max_examples=60)
@given(st.lists(VERDICTS, min_size=1, max_size=4), st.booleans())
def test_verdicts_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, made: list[Verdict], edited: bool
) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    ids = [f"{i} é" for i in range(len(made))]
    run.save_verdicts(CELL, "fuzzy", ids, made, made[::-1], rules="r 1", inputs=dict.fromkeys(ids, "0f"))
    if edited:
        spaced(run.path / "verdicts" / "gqa.on.fuzzy.jsonl")
    assert run.verdicts(CELL, "fuzzy") == dict(zip(ids, made, strict=True))
    assert run.verdicts(CELL, "fuzzy", 1) == dict(zip(ids, made[::-1], strict=True))
    assert {(one.rules, one.inputs) for one in run.stored_verdicts(CELL, "fuzzy")} == {("r 1", "0f")}


@settings(max_examples=60)
@given(st.lists(SAMPLES, min_size=1, max_size=4, unique_by=lambda s: s.id), st.booleans())
def test_samples_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, made: list[Sample], edited: bool
) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    run.save_samples("gqa", made)
    if edited:
        spaced(run.path / "samples" / "gqa.jsonl")
    assert run.samples("gqa") == made


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"value":0.5', b'"value":NaN', "is not between 0 and 1"),
        (b'"value":0.5', b'"value":1.5', "is not between 0 and 1"),
        (b'"value":0.5', b'"value":"0.5"', "value"),
        (b'"outcome":"read"', b'"outcome":"guessed"', "outcome"),
        (b'"reason":"empty"', b'"reason":"tired"', "reason"),
        (b'"value":0.5', b'"value":0.5,"value":1.0', "'value' occurs twice"),
        (b'"rule":"r"', b'"role":"r"', "rule"),
        (b'"rule":"r"', b'"rule":"\xff"', "not UTF-8"),
        (b'"outcome":', b'"outcome"', "not valid JSON"),
    ],
)
def test_a_wrong_verdict_is_named_with_its_line(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    run = Run(tmp_path)
    run.save_verdicts(CELL, "fuzzy", ["1", "2"], [Verdict(1.0, "x", "q"), Verdict(0.5, None, "r", reason="empty")])
    path = tmp_path / "verdicts" / "gqa.on.fuzzy.jsonl"
    content = path.read_bytes().split(b"\n")
    assert old in content[1]
    path.write_bytes(b"\n".join([content[0], content[1].replace(old, new), b""]))
    with pytest.raises(UserError) as error:
        run.verdicts(CELL, "fuzzy")
    assert f"{path} line 2" in str(error.value) and said in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"id":"2"', b'"id":"1"', "'1' is there twice"),
        (b'"extra":{}', b'"extra":{"x":' + b"[" * 120 + b"]" * 120 + b"}", "nested more than 100 levels"),
        (b'"index":1', b'"index":"1"', "index"),
        (b'"question":"q"', b'"question":"q","question":"p"', "'question' occurs twice"),
        (b'"answers":[]', b'"answers":[1]', "answers"),
    ],
)
def test_a_wrong_sample_is_named_with_its_line(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    run = Run(tmp_path)
    run.save_samples("gqa", [Sample("1", 0, "q"), Sample("2", 1, "q")])
    path = tmp_path / "samples" / "gqa.jsonl"
    content = path.read_bytes().split(b"\n")
    assert old in content[1]
    path.write_bytes(b"\n".join([content[0], content[1].replace(old, new), b""]))
    with pytest.raises(UserError) as error:
        run.samples("gqa")
    assert f"{path} line 2" in str(error.value) and said in str(error.value)


def test_files_that_changed_are_read_again(tmp_path: Path) -> None:
    """Also where verdicts of several conditions were read since."""
    run, other = Run(tmp_path), Run(tmp_path)
    cells = [Cell("gqa", name) for name in ("on", "off", "noise")]
    for value in (0.0, 0.25):
        for cell in cells:
            other.save_verdicts(cell, "fuzzy", ["1"], [Verdict(value, None, f"{cell.condition} {value}")])
        assert [run.verdicts(cell, "fuzzy")["1"].value for cell in (*cells, *cells)] == [value] * 6
