"""The end of a run: a row for each benchmark, averages, counts and notes, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cambrian_eval.benchmark import PAPER
from cambrian_eval.cli.summary import summary
from cambrian_eval.sample import Result


def result(
    benchmark: str, condition: str = "on", scorer: str = "fuzzy", score: float | None = 50.0, **more: Any
) -> Result:
    about: dict[str, Any] = {
        "interval": None if score is None else (max(0.0, score - 10), min(2000.0, score + 10)),
        "n": 1000,
        "n_failed": 0,
        "n_unparsed": 0,
        "scale": 2000.0 if benchmark == "mme" else 100.0,
        "chance": 25.0,
        "breakdown": {},
        "complete": True,
    }
    return Result(benchmark, condition, scorer, score, **(about | more))


def rows(found: Sequence[Result], width: int = 80, **published: float) -> dict[str, list[str]]:
    """Line by line: its first word (a category's first two), and the words after it."""
    lines = [text.split() for text, _ in summary(found, published, width)]
    return {line[0]: line[1:] for line in lines if line}


def test_a_row_by_hand() -> None:
    """56.25 - 31.3 = 24.95, which is 25.0; 56.25 is 56.3 as in `table`."""
    found = [result("cvbench_3d", score=56.25, interval=(50.04, 62.25)), result("cvbench_3d", "off", score=31.3)]
    head, row = (text for text, _ in summary(found, {}, 80)[:2])
    assert head.split() == ["benchmark", "on", "95", "%", "CI", "off", "on", "-", "off", "chance", "n"]
    assert row.split() == ["cvbench_3d", "56.3", "[50.0,", "62.3]", "31.3", "+25.0", "25.0", "1,000"]


def test_categories_and_the_overall_average() -> None:
    """A category is the mean of its four, MME divided by 20; overall is the mean of all sixteen."""
    scores = {name: 10.0 * i for i, name in enumerate(n for names in PAPER.values() for n in names)}
    found = [
        result(n, c, score=(20 if n == "mme" else 1) * (s if c == "on" else s / 2))
        for n, s in scores.items()
        for c in ("on", "off")
    ]
    lines = summary(found, {}, 80)
    assert all(len(text) <= 80 for text, _ in lines)
    bold = [text.split() for text, strong in lines if strong]
    assert [line[:-2] for line in bold] == [
        ["General", "15.0", "mean", "of", "4"],
        ["Knowledge", "55.0", "mean", "of", "4"],
        ["OCR", "&", "Chart", "95.0", "mean", "of", "4"],
        ["Vision-Centric", "135.0", "mean", "of", "4"],
        ["Overall", "75.0", "mean", "of", "16"],
    ]
    assert bold[-1][-2:] == ["37.5", "+37.5"]
    order = [text.split()[0] for text, strong in lines[1:21] if not strong]
    assert order == list(scores)[: len(order)]


def test_an_average_over_fewer_says_so_and_one_over_a_single_benchmark_is_none() -> None:
    found = rows([result("mmvp"), result("cvbench_2d", complete=False, score=60.0), result("gqa")])
    assert found["Vision-Centric"] == ["55.0", "2", "of", "4,", "subset"]
    assert found["General"] == [] and found["Overall"][:4] == ["53.3", "3", "of", "16,"]
    assert list(rows([result("mmvp")]))[:2] == ["benchmark", "mmvp"]


def test_another_scorer_stands_only_where_it_differs() -> None:
    same = [result("gqa"), result("gqa", scorer="official", score=50.04)]
    assert "official" not in summary(same, {}, 80)[0][0]
    found = [*same, result("mmmu", score=40.0), result("mmmu", scorer="official", score=41.0)]
    found += [result("gqa", "off", score=9.0), result("gqa", "off", scorer="official", score=8.0)]
    lines = [text for text, _ in summary(found, {}, 80)]
    assert "official" in lines[0]
    assert next(line for line in lines if line.startswith("mmmu")).split()[-2:] == ["41.0", "1,000"]
    assert "50.0" not in next(line for line in lines if line.startswith("gqa")).split()[3:]
    assert "official differs with vision off: gqa 8.0" in lines


def test_a_scorer_whose_column_does_not_fit_has_a_line() -> None:
    """With two wide intervals `official` needs 83 columns, and the table is not printed a second time for it."""
    found = [
        result("mme", score=1550.0, interval=(1400.0, 1700.0), synthetic=True),
        result("mme", "off", score=450.0, synthetic=True),
        result("realworldqa", synthetic=True),
        result("realworldqa", "off", score=8.0, synthetic=True),
        result("mmmu", synthetic=True),
        result("mmmu", scorer="official", score=41.0, synthetic=True),
    ]
    narrow, wide = ([text for text, _ in summary(found, {}, width)] for width in (80, 120))
    assert "official" in wide[0] and not any("official differs" in line for line in wide)
    assert sum(line.startswith("benchmark") for line in narrow) == 1 and "official" not in narrow[0]
    assert "official differs with vision on: mmmu 41.0" in narrow and max(map(len, narrow)) <= 80


def test_counts_and_each_note_once() -> None:
    found = [
        result("gqa", n_failed=3, notes=("shared", "of one")),
        result("gqa", "off", n_unparsed=2, n_unfinished=1, notes=("shared",)),
        result("ai2d", notes=("shared",)),
        result("ai2d", "off", notes=("shared",)),
    ]
    lines = [text for text, _ in summary(found, {}, 100)]
    assert "4,000 responses (fuzzy): 3 failed (gqa.on 3), 2 unparsed (gqa.off 2), 1 unfinished (gqa.off 1)" in lines
    assert [line for line in lines if line.startswith("note")] == ["note: shared", "note (gqa.on): of one"]


def test_judges_that_differ_have_no_average() -> None:
    found = [
        result("gqa", scorer="judge", notes=("judged by a",)),
        result("seed", scorer="judge", notes=("judged by b",)),
    ]
    lines = [text for text, _ in summary(found, {}, 80)]
    assert "no average (on): the judges differ (a; b)" in lines and not any(
        line.startswith("Overall") for line in lines
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_of_the_table_passes_the_width(width: int) -> None:
    conditions = ("on", "off", "blur:2", "blur:4", "shuffled", "noise:0.5")
    found = [result(b, c, score=99.9, synthetic=True) for b in ("realworldqa", "mmvp", "gqa") for c in conditions]
    lines = [text for text, _ in summary(found, {}, width)]
    assert max(map(len, lines)) <= width
    heads = [line.split() for line in lines if line.startswith("benchmark")]
    assert {word for head in heads for word in head} >= {*conditions, "chance"}
    assert all("(synthetic)" in line for line in lines if line.startswith(("realworldqa", "mmvp", "gqa")))


def test_the_published_score_stands_beside() -> None:
    assert rows([result("mmvp")], mmvp=51.3)["mmvp"][-2:] == ["51.3", "1,000"]
