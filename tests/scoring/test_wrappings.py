"""One right answer in many wrappings, on every benchmark: the table "What is read" of docs/scoring.md, cell by cell.

The expected verdicts follow from the rule written there, by the kind of answer that a benchmark asks for.
"""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval import grade

Row = dict[str, Any]
CHOICES = ["stove", "window", "carpet", "ladder"]
LETTERED = dict(zip("ABCD", CHOICES, strict=True))
WHERE = "Which thing is marked in the photo?"
ROWS: dict[str, tuple[str, Row, str, str]] = {
    # benchmark: kind of answer, row, right answer, another answer
    "mmbench": ("option", {"index": 1, "question": WHERE, "hint": "nan", "answer": "C", **LETTERED}, "C", "B"),
    "seed": (
        "option",
        {"question": WHERE, "answer": "C", **{f"choice_{k.lower()}": v for k, v in LETTERED.items()}},
        "C",
        "B",
    ),
    "ai2d": ("option", {"question": WHERE, "options": CHOICES, "answer": "2"}, "C", "B"),
    "scienceqa": ("option", {"question": WHERE, "choices": CHOICES, "answer": 2, "hint": ""}, "C", "B"),
    "mmmu": (
        "option",
        {
            "id": "validation_Art_1",
            "question": WHERE,
            "options": repr(CHOICES),
            "answer": "C",
            "question_type": "multiple-choice",
        },
        "C",
        "B",
    ),
    "mmvp": (
        "option",
        {"Index": 1, "Question": WHERE, "Options": "(a) stove (b) window", "Correct Answer": "(b)"},
        "B",
        "A",
    ),
    "cvbench_2d": (
        "option",
        {"idx": 1, "type": "2D", "source": "COCO", "question": WHERE, "choices": CHOICES, "answer": "(C)"},
        "C",
        "B",
    ),
    "cvbench_3d": (
        "option",
        {"idx": 1, "type": "3D", "question": WHERE, "choices": CHOICES, "answer": "(C)"},
        "C",
        "B",
    ),
    "realworldqa": (
        "option",
        {
            "question": f"{WHERE}\nA. stove\nB. window\nC. carpet\nPlease answer directly with only the letter.",
            "answer": "C",
        },
        "C",
        "B",
    ),
    "mme": (
        "yes or no",
        {
            "question_id": "1",
            "category": "existence",
            "question": "Is there a dog? Please answer yes or no.",
            "answer": "Yes",
        },
        "Yes",
        "No",
    ),
    "mathvista": (
        "number",
        {
            "pid": "1",
            "question": "How long is it?",
            "choices": None,
            "answer": "24",
            "question_type": "free_form",
            "answer_type": "integer",
            "precision": None,
        },
        "24",
        "30",
    ),
    "chartqa": ("number", {"type": "human_test", "question": "How much was sold?", "answer": "24"}, "24", "30"),
    "gqa": ("words", {"id": "1", "question": "What is on the shelf?", "answer": "teapot"}, "teapot", "candle"),
    "textvqa": ("words", {"question_id": 1, "question": "What brand?", "answers": ["teapot"] * 10}, "teapot", "candle"),
    "ocrbench": (
        "contained",
        {
            "dataset": "x",
            "question": "What is written?",
            "question_type": "Regular Text Recognition",
            "answer": ["teapot"],
        },
        "teapot",
        "candle",
    ),
    "docvqa": ("whole answer", {"questionId": "1", "question": "What?", "answers": ["teapot"]}, "teapot", "candle"),
}

TAKEN_OFF = (
    # thoughts, end marks, containers, markdown and quotes: no part of the answer, on any benchmark
    "{x}",
    " {x}\n",
    "**{x}**",
    "*{x}*",
    "`{x}`",
    '"{x}"',
    "“{x}”",
    "{x}</s>",
    "{x}<|im_end|>",
    "{x}<|eot_id|>",
    "\\boxed{{{x}}}",
    "$\\boxed{{\\text{{{x}}}}}$",
    "<answer>{x}</answer>",
    "<answer>\n{x}\n</answer>",
    "<think>It could be {y}.</think>{x}",
    "<think>The answer is {y}.</think>\n\n{x}",
    "It could be {y}.</think>\n{x}",
    "<thinking>{y}?</thinking>{x}",
    "<thought>{y}</thought>{x}",
    "<reasoning>{y}</reasoning>\n{x}",
    "<SUMMARY>s</SUMMARY>\n<CAPTION>c</CAPTION>\n<REASONING>{y}</REASONING>\n<CONCLUSION>{x}</CONCLUSION>",
    "[THINK]{y}[/THINK]{x}",
    "◁think▷{y}◁/think▷{x}",
    "<|begin_of_thought|>{y}<|end_of_thought|><|begin_of_solution|>{x}<|end_of_solution|>",
    "<|channel|>analysis<|message|>{y}<|end|><|start|>assistant<|channel|>final<|message|>{x}<|return|>",
    "<think>{y}</think><|begin_of_box|>{x}<|end_of_box|>",
    "<think>{y}</think><answer>{x}</answer>",
)
DECLARED = (
    # a declared answer: read wherever the metric is not the whole answer
    "The answer is {x}",
    "The answer is {x}.",
    "The answer is: {x}",
    "Answer: {x}",
    "**Answer:** {x}",
    "Answer:\n\n{x}",
    "The correct answer is **{x}**.",
    "### Final Answer\n\nThe final answer is: {x}",
    "So, the answer is {x}.",
    "First I looked at the photo.\nThe answer is {x}.",
    "It may seem to be {y}. The answer is {x}.",
    "The answer is {y}. Wait, no. The answer is {x}.",
    "答案是{x}",
    "答案：{x}。",
    "正解は{x}です",
    "정답은 {x}입니다",
    "La respuesta es {x}.",
    "La réponse est {x}.",
    "Die Antwort ist {x}.",
    "{x}.",
    "{x}!",
)
NOTHING = ("", "   ", "...", "I cannot answer this question.", "I am unable to determine the answer from the image.")
UNFINISHED = ("<think>The answer is {x}.", "<thinking>{x}", "[THINK]{x} or {y}", "<|channel|>analysis<|message|>{x}")
WRONG = ("{y}", "The answer is {y}.", "<think>{x}</think>{y}", "<think>The answer is {x}.</think>\nThe answer is {y}.")
CELLS = [(benchmark, wrapping) for benchmark in ROWS for wrapping in (*TAKEN_OFF, *DECLARED)]


def fill(wrapping: str, right: str, other: str) -> str:
    return wrapping.format(x=right, y=other)


def test_there_are_enough_of_both() -> None:
    assert len(ROWS) == 16 and len(TAKEN_OFF) + len(DECLARED) >= 40


@pytest.mark.parametrize("benchmark", ROWS)
def test_what_is_no_part_of_the_answer_is_taken_off(benchmark: str) -> None:
    _, row, right, other = ROWS[benchmark]
    for wrapping in TAKEN_OFF:
        verdict = grade(benchmark, row, fill(wrapping, right, other))
        assert verdict.value == 1.0, (wrapping, verdict)


@pytest.mark.parametrize("benchmark", ROWS)
def test_what_is_declared_is_read_except_where_the_whole_answer_is_measured(benchmark: str) -> None:
    kind, row, right, other = ROWS[benchmark]
    for wrapping in DECLARED:
        verdict = grade(benchmark, row, fill(wrapping, right, other))
        if kind == "whole answer":
            assert verdict.value < 1.0, (wrapping, verdict)
        else:
            assert verdict.value == 1.0, (wrapping, verdict)


@pytest.mark.parametrize("benchmark", ROWS)
def test_thoughts_that_never_end_are_no_answer_under_either_scorer(benchmark: str) -> None:
    _, row, right, other = ROWS[benchmark]
    for wrapping in UNFINISHED:
        for scorer in ("fuzzy", "official"):
            verdict = grade(benchmark, row, fill(wrapping, right, other), scorer)
            assert (verdict.value, verdict.outcome, verdict.reason) == (0.0, "unparsed", "unfinished thought")


@pytest.mark.parametrize("benchmark", ROWS)
def test_another_answer_is_wrong_whatever_was_thought(benchmark: str) -> None:
    _, row, right, other = ROWS[benchmark]
    for wrapping in WRONG:
        assert grade(benchmark, row, fill(wrapping, right, other)).value == 0.0, wrapping


@pytest.mark.parametrize("benchmark", ROWS)
def test_no_answer_is_unparsed_with_its_reason(benchmark: str) -> None:
    kind, row, *_ = ROWS[benchmark]
    for text in NOTHING:
        verdict = grade(benchmark, row, text)
        assert verdict.value == 0.0, text
        if not text.strip():
            assert (verdict.outcome, verdict.reason) == ("unparsed", "empty")
        elif kind in ("option", "yes or no", "number"):
            assert verdict.outcome == "unparsed" and verdict.reason in ("refusal", "nothing found"), (text, verdict)


OPTION_FORMS = (
    "{l}",
    "({l})",
    "[{l}]",
    "{l})",
    "{l}:",
    "({l}).",
    "{s}",
    "({s})",
    "{l}. {t}",
    "({l}) {t}",
    "{l} {t}",
    "{l}: {t}",
    "{l} - {t}",
    "{t}",
    "{T}",
    "the {t}",
    "It is the {t}.",
    "{t} ({l})",
    "Option {l}",
    "option ({s})",
    "Choice {l}.",
    "I choose {l}.",
    "The correct option is {l}.",
    "The correct answer is option {l}: {t}.",
    "{l} is correct.",
    "{l}, because it is marked.",
    "{l}\n\nExplanation: it is marked.",
    "It is marked.\n\n{l}",
    "It is marked, so the answer is ({l}) {t}.",
    "**{l}. {t}**",
    'The answer is "{t}".',
    "Therefore, {l}.",
    "{l}🙂",
    "{l} {l} {l}",
    "故选{l}。",
    "选项{l}正确",
)
OPTION_NOTHING = (
    "{l} or {o}",
    "{l} and {o}",
    "{l}/{o}",
    "Both {l} and {o} are correct.",
    "{t} or {u}",
    "not {l}",
    "It is not the {t}.",
    "{l}. {u}",
    "{o}. {t}",
    "None of the above",
    "The answer is not provided in the options.",
)


@pytest.mark.parametrize("benchmark", [name for name, (kind, *_) in ROWS.items() if kind == "option"])
def test_letters_and_texts_of_options(benchmark: str) -> None:
    _, row, right, other = ROWS[benchmark]
    texts = dict(zip("AB", ("stove", "window"), strict=True)) if benchmark == "mmvp" else LETTERED
    words = {
        "l": right,
        "s": right.lower(),
        "t": texts[right],
        "T": texts[right].upper(),
        "o": other,
        "u": texts[other],
    }
    for form in OPTION_FORMS:
        assert grade(benchmark, row, form.format(**words)).value == 1.0, form
    for form in OPTION_NOTHING:
        verdict = grade(benchmark, row, form.format(**words))
        assert (verdict.value, verdict.outcome) == (0.0, "unparsed"), (form, verdict)


NUMBER_FORMS = (
    "24.0",
    "24 cm",
    "$24",
    "24%",
    "twenty-four",
    "x = 24",
    "10 + 14 = 24",
    "There are 24 of them.",
    "It is 24.",
    "48/2",
    "24 because it says so",
    "\\frac{{48}}{{2}}",
    "２４",
    "٢٤",
    "Therefore, it is 24.",
    "The total is 24, not 30.",
    "24 (twenty-four)",
)
NUMBER_NOTHING = (
    "24 or 30",
    "between 24 and 30",
    "24-30",
    "not 24",
    "It is unknown.",
    "There is not enough information.",
)


@pytest.mark.parametrize("benchmark", ["mathvista", "chartqa"])
def test_numbers_as_people_write_them(benchmark: str) -> None:
    row = ROWS[benchmark][1]
    for form in NUMBER_FORMS:
        assert grade(benchmark, row, form.format()).value == 1.0, form
    for form in NUMBER_NOTHING:
        assert grade(benchmark, row, form).outcome == "unparsed", form
