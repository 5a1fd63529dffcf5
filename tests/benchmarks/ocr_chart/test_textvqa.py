"""TextVQA: rows, prompts with and without OCR tokens, both scorers."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.ocr_chart.textvqa import TextVQA
from cambrian_eval.errors import UserError

ROW: dict[str, Any] = {
    "image_id": "003a8ae2ef43b901",
    "question_id": 34602,
    "question": "what is the brand of this camera?",
    "answers": ["nokia"] * 3 + ["samsung"] * 7,
    "ocr_tokens": ["NOKIA", "N95"],
}
LAST = "Answer the question using a single word or phrase."


def test_prompt() -> None:
    sample = TextVQA().to_sample(ROW, 0)
    assert (sample.id, sample.image_id) == ("34602", "003a8ae2ef43b901")
    assert TextVQA().prompt(sample) == f"{ROW['question']}\nReference OCR tokens: NOKIA, N95\n{LAST}"
    assert TextVQA(ocr_tokens="false").prompt(sample) == f"{ROW['question']}\n{LAST}"
    empty = TextVQA().to_sample({**ROW, "ocr_tokens": []}, 0)
    assert TextVQA().prompt(empty) == f"{ROW['question']}\nReference OCR tokens:\n{LAST}"


def test_copies_without_tokens_can_be_graded_but_not_asked_by_default() -> None:
    sample = TextVQA().to_sample({k: v for k, v in ROW.items() if k != "ocr_tokens"}, 0)
    assert TextVQA().fuzzy(sample, "Nokia").value == pytest.approx(0.9)
    with pytest.raises(UserError, match="ocr_tokens=false"):
        TextVQA().prompt(sample)
    assert "ocr_tokens" not in TextVQA(ocr_tokens=False).source.columns


@pytest.mark.parametrize(
    ("text", "fuzzy", "official"),
    [
        ("Nokia", 0.9, 0.9),
        ("The answer is Nokia.", 0.9, 0),
        ("**Nokia**", 0.9, 0),
        ("Answer: samsung", 1, 0),
        ("It is a phone", 0, 0),
        ("  ", 0, 0),
    ],
)
def test_scorers(text: str, fuzzy: float, official: float) -> None:
    bench, sample = TextVQA(), TextVQA().to_sample(ROW, 0)
    assert bench.fuzzy(sample, text).value == pytest.approx(fuzzy)
    assert bench.fuzzy(sample, text).parsed is bool(text.strip())
    assert bench.official(sample, text).value == pytest.approx(official)


def test_nine_answers_stop_the_released_code() -> None:
    sample = TextVQA().to_sample({**ROW, "answers": ["nokia"] * 9}, 0)
    assert TextVQA().fuzzy(sample, "nokia").value == 1
    verdict = TextVQA().official(sample, "nokia")
    assert (verdict.value, "ten" in verdict.rule) == (0, True)
