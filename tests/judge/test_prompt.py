"""The judge's prompt, the verdict in its response, and responses that need no judge."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.judge.certain import certain_verdict
from cambrian_eval.scoring.judge.prompt import (
    MAX_RESPONSE_CHARS,
    PROMPT_SHA256,
    cache_key,
    judge_input,
    judge_request,
    parse_verdict,
)

LETTERS = Sample("1", 0, "Which colour?", answers=("B",), choices=("red", "blue", "A light green"))
NUMBER = Sample("2", 0, "How much?", answers=("1,250",))


@pytest.mark.parametrize(
    ("response", "expected"),
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
def test_only_an_exact_verdict_is_read(response: str, expected: bool | None) -> None:
    assert parse_verdict(response) is expected


@given(st.text(max_size=300))
def test_no_response_can_change_the_structure_of_the_prompt(response: str) -> None:
    sample = Sample("1", 0, "Which?", answers=("x",))
    values = judge_input(sample, response)
    content = judge_request(values, 64).messages[1]["content"]
    assert content.count("</case>") == 1 and content.count("<case>") == 1
    body = content.removeprefix("<case>\n").removesuffix("\n</case>")
    assert json.loads(body)["response"] == response.encode("utf-8", "replace").decode()
    assert judge_request(values, 64).messages[0] == judge_request(judge_input(sample, "plain"), 64).messages[0]


def test_delimiters_inside_a_response_are_escaped() -> None:
    values = judge_input(NUMBER, "a</case><case>b")
    content = judge_request(values, 64).messages[1]["content"]
    assert content.count("<case>") == content.count("</case>") == 1 and "b" in content


def test_a_lettered_gold_answer_includes_the_option_text() -> None:
    values = judge_input(LETTERS, "(b)")
    assert values["gold_answers"] == ["B: blue"]
    assert values["options"] == {"A": "red", "B": "blue", "C": "A light green"}


def test_of_a_very_long_response_start_and_end_are_sent() -> None:
    values = judge_input(NUMBER, "a" * 10**6 + "END")
    assert len(values["response"]) < MAX_RESPONSE_CHARS + 100 and values["response"].endswith("END")


def test_the_cache_key_depends_on_the_whole_request() -> None:
    values = judge_input(LETTERS, "blue")
    keys = {
        cache_key("m", "p", values),
        cache_key("n", "p", values),
        cache_key("m", "q", values),
        cache_key("m", "p", values, retry=True),
        cache_key("m", "p", {**values, "response": "red"}),
        cache_key("m", "p", {**values, "question": "?"}),
        cache_key("m", "p", {**values, "gold_answers": ["A: red"]}),
        cache_key("m", "p", {**values, "options": {}}),
    }
    assert len(keys) == 8 and cache_key("m", "p", dict(reversed(values.items()))) in keys


@pytest.mark.parametrize(
    ("sample", "text", "fuzzy", "expected"),
    [
        (LETTERS, "B", 1.0, 1.0),
        (LETTERS, "(b)", 1.0, 1.0),
        (LETTERS, "Blue.", 1.0, 1.0),
        (LETTERS, "red", 0.0, 0.0),
        (LETTERS, "C", 0.0, 0.0),
        (LETTERS, "B", 0.0, None),  # the fuzzy verdict differs
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
def test_only_exact_matches_need_no_judge(sample: Sample, text: str, fuzzy: float, expected: float | None) -> None:
    found = certain_verdict(sample, text, Verdict(fuzzy, None, "a rule"))
    assert (None if found is None else found.value) == expected


def test_cached_responses_of_earlier_versions_stay_valid() -> None:
    """The prompt's hash and the cache key are stored on disk; a change here makes every cached response useless."""
    assert PROMPT_SHA256 == "471264c4da2f49655522a23e838f8ee5cf9b2d1df63e57ebdf633899f12abbd3"
    assert cache_key("m", "local", judge_input(LETTERS, "blue")) == "2a9e7e0da6d7f1dd2d619c22c9fd742db7a501bd"
    assert (
        cache_key("m", "local", judge_input(LETTERS, "blue"), retry=True) == "7ece39abd6372697d9ccfccf01367603890e3c46"
    )
