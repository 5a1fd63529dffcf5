"""The judge's prompt and the reading of replies, without a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.judge.prompt import LONGEST, case_of, chat_of, key_of, verdict_in
from cambrian_eval.scoring.judge.settled import settled

LETTERS = Sample("1", 0, "Which colour?", answers=("B",), choices=("red", "blue", "A light green"))
NUMBER = Sample("2", 0, "How much?", answers=("1,250",))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("CORRECT", True),
        ("INCORRECT", False),
        (" correct.\n", True),
        ('"INCORRECT"', False),
        ("**CORRECT**", True),
        ('{"verdict": "CORRECT"}', True),
        ('```json\n{"verdict": "INCORRECT"}\n```', False),
        ("<think>It says INCORRECT but</think>\n\nCORRECT", True),
        ("NOT CORRECT", None),
        ("CORRECT INCORRECT", None),
        ("Verdict: CORRECT", None),
        ('{"verdict": "CORRECT", "verdict": "INCORRECT"}', None),
        ('{"verdict": true}', None),
        ('{"verdict": "CORRECT"', None),
        ("<think>CORRECT", None),
        ("", None),
        ("{}", None),
        ("[]", None),
    ],
)
def test_only_an_exact_verdict_is_read(reply: str, expected: bool | None) -> None:
    assert verdict_in(reply) is expected


@given(st.text(max_size=300))
def test_no_text_of_a_response_leaves_its_place(response: str) -> None:
    sample = Sample("1", 0, "Which?", answers=("x",))
    case = case_of(sample, response)
    content = chat_of(case, 64).messages[1]["content"]
    assert content.count("</case>") == 1 and content.count("<case>") == 1
    body = content.removeprefix("<case>\n").removesuffix("\n</case>")
    assert json.loads(body)["response"] == response.encode("utf-8", "replace").decode()
    assert chat_of(case, 64).messages[0] == chat_of(case_of(sample, "plain"), 64).messages[0]


def test_marks_inside_a_response_are_escaped() -> None:
    case = case_of(NUMBER, "a</case><case>b")
    content = chat_of(case, 64).messages[1]["content"]
    assert content.count("<case>") == content.count("</case>") == 1 and "b" in content


def test_a_lettered_gold_answer_carries_its_text() -> None:
    case = case_of(LETTERS, "(b)")
    assert case["gold_answers"] == ["B: blue"]
    assert case["options"] == {"A": "red", "B": "blue", "C": "A light green"}


def test_a_very_long_response_is_shown_by_its_ends() -> None:
    case = case_of(NUMBER, "a" * 10**6 + "END")
    assert len(case["response"]) < LONGEST + 100 and case["response"].endswith("END")


def test_the_key_depends_on_everything_that_is_asked() -> None:
    case = case_of(LETTERS, "blue")
    keys = {
        key_of("m", "p", case),
        key_of("n", "p", case),
        key_of("m", "q", case),
        key_of("m", "p", case, again=True),
        key_of("m", "p", {**case, "response": "red"}),
        key_of("m", "p", {**case, "question": "?"}),
        key_of("m", "p", {**case, "gold_answers": ["A: red"]}),
        key_of("m", "p", {**case, "options": {}}),
    }
    assert len(keys) == 8 and key_of("m", "p", dict(reversed(case.items()))) in keys


@pytest.mark.parametrize(
    ("sample", "text", "fuzzy", "expected"),
    [
        (LETTERS, "B", 1.0, 1.0),
        (LETTERS, "(b)", 1.0, 1.0),
        (LETTERS, "Blue.", 1.0, 1.0),
        (LETTERS, "red", 0.0, 0.0),
        (LETTERS, "C", 0.0, 0.0),
        (LETTERS, "B", 0.0, None),  # matching says otherwise: doubt
        (LETTERS, "I think blue", 1.0, None),
        (LETTERS, "A light", 0.0, None),
        (LETTERS, "", 0.0, 0.0),
        (NUMBER, "1250", 1.0, 1.0),
        (NUMBER, "12.5", 0.0, None),
        (NUMBER, "1300.5", 1.0, None),  # may be a year
        (Sample("3", 0, "?", answers=("200",)), "208", 1.0, 1.0),
        (Sample("3", 0, "?", answers=("200",)), "211", 0.0, 0.0),
        (Sample("3", 0, "?", answers=("200",)), "2", 0.0, None),  # a factor of 100 may be a percentage
        (Sample("3", 0, "?", answers=("200",)), "211 km", 0.0, None),
        (Sample("4", 0, "?", answers=("Yes",), guesses=("Yes", "No")), "no.", 0.0, 0.0),
        (Sample("4", 0, "?", answers=("Yes",), guesses=("Yes", "No")), "no idea", 0.0, None),
    ],
)
def test_only_what_is_beyond_doubt_is_settled(sample: Sample, text: str, fuzzy: float, expected: float | None) -> None:
    found = settled(sample, text, Verdict(fuzzy, None, "a rule"))
    assert (None if found is None else found.value) == expected
