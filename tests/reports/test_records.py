"""The data of the page: outcomes, order, images, and JSON that is safe in a script element."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambrian_eval.reports.catalogue import conditions_in_order, scorers_in_order
from cambrian_eval.reports.page import images
from cambrian_eval.reports.page.records import browsable, outcome, script_json
from cambrian_eval.reports.runs import open_runs
from cambrian_eval.running.store import Record
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
    found: dict[str, bytes] = {}
    assert images.find(open_runs(runs), data.images, found.__setitem__) == []
    assert set(found) == data.images and all(jpeg.startswith(b"\xff\xd8") for jpeg in found.values())


def test_script_json_cannot_end_its_element() -> None:
    text = script_json({"a": "</script><!-- \u2028 & \ud800"})
    assert "<" not in text and ">" not in text and "&" not in text and "\u2028" not in text and text.isprintable()
