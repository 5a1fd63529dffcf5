"""Thoughts apart from answers, for every known form; what a `Reply` offers; forms that users add."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring import thoughts
from cambrian_eval.scoring.reply import Reply


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>A or B</think>\n\nB", "B"),
        ("A or B</think>B", "B"),
        ("<THINK>A</THINK>B", "B"),
        ("<Thinking>A</Thinking>B", "B"),
        ("<think>a</think> <think>b</think> C", "C"),
        ("<think>a <think>b</think> c</think> D", "D"),
        ("B<think>was that right?</think>", "B"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>B", "B"),
        ("<think>a</think>The answer is <|begin_of_box|>B<|end_of_box|>.", "B"),
        ("<REASONING>a</REASONING><CONCLUSION> B </CONCLUSION>", "B"),
        ("[THINK]a[/THINK]B", "B"),
        ("◁think▷a◁/think▷B", "B"),
        ("no marks at all", "no marks at all"),
        ("2 < 3 and [4]", "2 < 3 and [4]"),
        ("<answer>B</answer>", "<answer>B</answer>"),
        (" B \n", " B \n"),
    ],
)
def test_the_answer_is_what_stands_outside_thoughts(text: str, answer: str) -> None:
    reply = Reply(text)
    assert reply == answer and reply.raw == text and not reply.unfinished
    assert text[reply.answer_start or 0 :].startswith(answer)
    assert bool(reply.thoughts) == (answer != text)


@pytest.mark.parametrize("text", ["<think>", "a <think> b", "<think>a</think>b<think>c", "[THINK]x", "◁think▷ B"])
def test_a_thought_without_end_leaves_no_answer(text: str) -> None:
    reply = Reply(text)
    assert reply == "" and reply.unfinished and reply.answer_start is None and reply.silence == "unfinished thought"


def test_an_empty_answer_after_a_thought_is_empty_and_not_unfinished() -> None:
    reply = Reply("<think>a</think>\n")
    assert reply.silence == "empty" and not reply.unfinished


def test_thoughts_can_be_kept() -> None:
    assert Reply("<think>a</think>B", keep_thoughts=True) == "<think>a</think>B"
    assert Reply(Reply("<think>a</think>B"), keep_thoughts=True) == "<think>a</think>B"
    assert Reply(Reply("<think>a</think>B")) == "B"


def test_users_add_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reply("«mull»A«/mull»B") == "«mull»A«/mull»B"
    monkeypatch.setattr(thoughts, "MARKS", list(thoughts.MARKS))
    thoughts.add(thoughts.Marks("«mull»", "«/mull»"))
    try:
        assert Reply("«mull»A«/mull»B") == "B"
        assert Reply("«mull»A").unfinished
    finally:
        monkeypatch.undo()
        thoughts.forget()
    with pytest.raises(ValueError, match="cannot be empty"):
        thoughts.add(thoughts.Marks("<a>", " "))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**B**", "B"),
        ("“B”", "B"),
        ("Ｂ", "B"),
        ("٣٤", "34"),
        ("$\\frac{3\\sqrt{5}}{2}$", "$3√5/2$"),
        ("\\boxed{\\text{B}}", "B"),
        ("\\boxed{60^\\circ}", "60°"),
        ("so \\boxed{a \\boxed{b}}", "b"),
        ("<answer> B </answer>", "B"),
        ("B<|im_end|>", "B"),
        ("x\u200by", "xy"),
    ],
)
def test_said_is_comparable(text: str, said: str) -> None:
    assert Reply(text).said == said


def test_what_a_model_goes_on_with_is_not_its_answer() -> None:
    text = "The graph rises until the end, so the function is increasing.\n\nQuestion: What is 2 + 2?\nThe answer is 4."
    assert Reply(text).own == "The graph rises until the end, so the function is increasing."
    assert Reply("Question: What is 2 + 2? Answer: 4").own == "Question: What is 2 + 2? Answer: 4"


@given(st.text(max_size=300))
def test_any_text_becomes_a_reply(text: str) -> None:
    reply = Reply(text)
    assert reply.raw == text and (reply == "" or str(reply) in text)
    assert isinstance(reply.said, str) and all(reply.sentences)


def test_a_megabyte_in_hostile_shapes() -> None:
    for piece in (
        "<think>",
        "</think>",
        "<|begin_of_box|>x<|end_of_box|>",
        "[/THINK]",
        "\\",
        "[(",
        "\\boxed{",
        "**",
        "\u0301\u0316",
    ):
        reply = Reply(piece * (1_000_000 // len(piece)))
        assert len(reply.said) < 20_000 and len(reply.sentences) < 20_000
