"""Letter extraction: the worked examples of each benchmark, and what holds for every response."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.sample import Sample
from cambrian_eval.scoring.letter import grade
from tests.scoring.letters import (
    ANGLES,
    COUNTS,
    DIGITS,
    FRUIT,
    LAMP,
    MANY,
    OPEN,
    PLANT,
    STATES,
    STYLES,
    TURNS,
    Cases,
    extract,
    options,
)

CASES: Cases = [
    # The worked examples of each benchmark, in order.
    (FRUIT, "A", "A"), (FRUIT, "(A)", "A"), (FRUIT, "A.", "A"), (FRUIT, "The answer is A", "A"),
    (FRUIT, "The answer is: A", "A"), (FRUIT, "Option A", "A"), (FRUIT, "APPLE", "A"), (FRUIT, "A basket", "B"),
    (FRUIT, "cherry", "C"), (FRUIT, "Can not tell", None), (FRUIT, "A and C", None), (FRUIT, "Not A, C", "C"),
    (FRUIT, "", None), (COUNTS, "B", "B"), (COUNTS, "(B)", "B"), (COUNTS, "b", "B"),
    (COUNTS, "The answer is: B", "B"), (COUNTS, "FIVE", "B"), (COUNTS, "A pair of fives", None),
    (COUNTS, "Both look right", None), (COUNTS, "A, B", None), (COUNTS, "B is wrong; C", "C"),
    (STATES, "C. gas", "C"), (STATES, "The answer is (C).", "C"), (STATES, "It is a gas.", "C"),
    (STATES, "C gas", "C"), (STATES, "C. liquid", None), (STATES, "A gas", "C"), (STATES, "B, C", None),
    (STYLES, "gothic", "B"), (STYLES, "The style of this church is clearly Gothic", "B"),
    (STYLES, "A Gothic church", "B"), (STYLES, "A or B", None),
    (ANGLES, "C", "C"), (ANGLES, "60°", "C"), (ANGLES, "So angle A is 60°", "C"),
    (ANGLES, "A is 30°, so the answer is C", "C"), (ANGLES, "B or C", None),
    (PLANT, "B. root", "B"), (PLANT, "ROOT", "B"), (PLANT, "A root", "B"), (PLANT, "Below the ground", None),
    (PLANT, "1", None), (PLANT, "B or D", None),
    (OPEN, "(a).", "A"), (OPEN, "A. Open", "A"), (OPEN, "(a) Open", "A"), (OPEN, "A\nOpen", "A"),
    (OPEN, "The butterfly's wings are open.", "A"), (OPEN, "**A**", "A"),
    (options("Black", "White"), "Black", "A"), (options("Black", "White"), "A white dog", "B"),
    (OPEN, "Both are possible", None), (OPEN, "A or B", None), (options("Yes", "No"), "Not sure", None),
    (TURNS, "c", "C"), (TURNS, "C. Right", "C"), (TURNS, "A car is parked there", None),
    (TURNS, "left or right", None), (DIGITS, "(C) 1", "C"), (DIGITS, "1", "C"), (DIGITS, "Option C", "C"),
    (DIGITS, "Can't tell from this image", None), (MANY, "Five", "B"), (options("below", "above"), "above", "B"),
    (options("above", "below"), "Both", None), (options("1", "10", "2", "0"), "10", "B"),
    (options("right", "left"), "A lamp is on the left", "B"), (LAMP, "(A) lamp", "A"),
    (LAMP, "The lamp is closer.", "A"), (options("bed", "armchair"), "armchair", "B"), (LAMP, "A chair", "B"),
    (options("table", "coffee table"), "coffee table", "B"), (options("bookcase", "table"), "books", None),
    (LAMP, "The lamp is in front.\nA", "A"), (LAMP, "A and B are equally close", None),
    (options("c", "D", "b", "a"), "c", None), (options("c", "D", "b", "a"), "C", "C"),
    # Negation.
    (PLANT, "Definitely not D, it is B", "B"), (PLANT, "The answer is not B", None), (PLANT, "D? No, B.", "B"),
    (PLANT, "Neither A nor B, so C", "C"), (PLANT, "A and B are wrong, so C", "C"), (PLANT, "It isn't A. It's C.",
    "C"),
    (PLANT, "A) stem is incorrect. B) root is correct.", "B"), (PLANT, "The answer is B, not A.", "B"),
    (PLANT, "The answer is not A but B", "B"), (PLANT, "It's not the stem but the root", "B"),
    (PLANT, "It cannot be the stem.", None), (LAMP, "The lamp is not closer.", None),
    (PLANT, "Option A is wrong.", None),
    (PLANT, "I don't think it's A; D is correct", "D"), (PLANT, "The answer isn't A, it's B", "B"),
    (PLANT, "We can eliminate A, B and C, leaving D", "D"), (PLANT, "It is not A, B, or C", None),
    (PLANT, "Neither A, B nor C is right: D", "D"), (PLANT, "B rather than C", "B"),
    # Declarations.
    (PLANT, "The answer is A. Wait, no, the answer is B.", "B"), (PLANT, "Answer:\n\nC", "C"),
    (PLANT, "Answer - D", "D"),
    (PLANT, "The correct option is clearly B.", "B"), (PLANT, "the answer to the question is b.", "B"),
    (PLANT, "The answer is the root, because stems grow up.", "B"), (PLANT, "The answer is option (c)", "C"),
    (PLANT, "I would choose D because of the petals", "D"), (PLANT, "Final answer: \\boxed{\\text{B}}", "B"),
    (PLANT, "The answer is A or B", None), (PLANT, "Answer: A, B", None),
    (PLANT, "The answer is A because it is green", "A"),
    (PLANT, "The answer is a flower", "D"), (PLANT, "A is correct", "A"), (PLANT, "The answer is E", None),
    (PLANT, "<answer>B</answer>", "B"), (PLANT, "B<|eot_id|>", "B"), (PLANT, "<think>A? no</think>C", "C"),
    (PLANT, "The answer is B. The stem is option A.", "B"),
    # Wrappings.
    (PLANT, "Ｂ", "B"), (PLANT, "Ⓑ", "B"), (PLANT, "[B]", "B"), (PLANT, "\"B\"", "B"), (PLANT, "B) root", "B"),
    (PLANT, "b. root", "B"), (PLANT, "B: root", "B"), (PLANT, "B - root", "B"), (PLANT, "root (B)", "B"),
    (PLANT, "root, B", "B"), (PLANT, "$B$", "B"), (PLANT, "答案是B", "B"), (PLANT, "答案：B", "B"),
    (PLANT, "B\n\nA is a stem.", "B"),
    (PLANT, "🙂 B", "B"), (PLANT, "B.root", "B"), (PLANT, "B, because it is below", "B"), (PLANT, "(b)", "B"),
    (PLANT, "stem (B)", None), (PLANT, "A. root", None), (PLANT, "C root", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower", None), (PLANT, "A. stem B. root C. leaf D. flower", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower\n\nAnswer: C", "C"), (PLANT, "ABCD", None), (PLANT, "A/B", None),
    (PLANT, "A B", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower\n\nB", "B"), (PLANT, "Option A: stem. Option B: root.", None),
    # Names that are not options, refusals, misspellings, numbers.
    (options("Vitamin A", "Vitamin C", "Vitamin D"), "It contains Vitamin C.", "B"),
    (PLANT, "I cannot see a root in this image.", None), (PLANT, "I'm sorry, I can't tell.", None),
    (PLANT, "I'm not sure, but probably the leaf", "C"), (PLANT, "I think it is B", "B"),
    (PLANT, "I am unable to answer", None),
    (options("Cannot be determined", "Yes"), "It cannot be determined.", "A"),
    (options("photosynthesis", "respiration"), "photosyntesis", "A"),
    (options("symmetric figure", "circle"), "asymmetric figure", None), (options("legal", "other"), "illegal", None),
    (options("5 N", "10 N"), "5N", "A"), (DIGITS, "There are two dogs.", "B"),
    (DIGITS, "There are 2 dogs and 1 cat.", None),
    (ANGLES, "60 degrees", "C"), (ANGLES, "It must be 60 degrees.", "C"), (options("$5", "$50"), "$50.", "B"),
    (options("1,000", "100"), "1000", "A"), (options("0.5", "5"), "0.5", "A"), (options("-1", "1"), "-1", "A"),
    (options("cat", "dog"), "A dog, not a cat.", "B"), (options("dog", "dog", "cat"), "dog", "A"),
]  # fmt: skip


@pytest.mark.parametrize(("given_options", "text", "letter"), CASES)
def test_the_option_a_careful_reader_would_take(given_options: dict[str, str], text: str, letter: str | None) -> None:
    found = extract(text, given_options)
    assert found.value == letter, found.rule


WRAPPINGS = (
    "{}", "({})", "[{}]", "{}.", "{})", "({}).", "**{}**", "`{}`", '"{}"', "<answer>{}</answer>", "\\boxed{{{}}}",
    "$\\text{{{}}}$",
    "The answer is {}", "The answer is: {}.", "the correct answer is ({}).", "Answer: {}", "Answer:\n\n{}",
    "Option {}", "option ({})",
    "I think it is {}.", "So, {}.", "It must be {}!", "{}<|eot_id|>", "{} is correct.",
    "{}, because the image shows it.",
    "The image shows it.\n{}", "{}\n\nThe image shows it.", "My final answer is **{}**.", "I would choose {}.",
)  # fmt: skip
THINGS = (
    "anchor", "basket", "candle", "dragon", "engine", "feather", "guitar", "hammer", "island", "jacket", "kettle",
    "ladder",
)  # fmt: skip
WORDS = st.lists(st.sampled_from(THINGS), min_size=2, max_size=9, unique=True)
SENTENCES = (
    "The sky is grey.", "A man stands there.", "I looked at it closely.", "A. Nothing else matters.",
    "It shows B and C.",
    "There are 3 of them.", "At first I thought of A, then of B.", "Both look right.", "No idea at first!",
    "\u00bfQu\u00e9 es esto?", "\U0001f642",
    "\u0645\u0631\u062d\u0628\u0627.", "First option A seemed fine.",
)  # fmt: skip


@given(WORDS, st.data())
def test_every_wrapping_of_a_letter_is_found(words: list[str], data: st.DataObject) -> None:
    given_options = options(*words)
    letter = data.draw(st.sampled_from(list(given_options)))
    wrapped = data.draw(st.sampled_from(WRAPPINGS)).format(letter)
    assert extract(wrapped, given_options).value == letter
    own = given_options[letter]
    for text in (own, own.upper(), f"the {own}.", f"It is the {own}.", f"({letter}) {own}", f"{letter}. {own}"):
        assert extract(text, given_options).value == letter


@given(WORDS, st.lists(st.sampled_from(SENTENCES), max_size=4), st.data())
def test_what_stands_before_the_answer_changes_nothing(
    words: list[str], before: list[str], data: st.DataObject
) -> None:
    given_options = options(*words)
    letter = data.draw(st.sampled_from(list(given_options)))
    answer = data.draw(st.sampled_from((f"The answer is {letter}.", f"The answer is: ({letter})", f"Answer: {letter}")))
    assert extract(" ".join([*before, answer]), given_options).value == letter


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5))
def test_any_text_gives_one_of_the_letters_or_none_and_always_the_same(text: str, texts: list[str]) -> None:
    given_options = options(*texts)
    found = extract(text, given_options)
    assert found.value is None or found.value in given_options
    assert found.rule and extract(text, given_options) == found


@pytest.mark.parametrize(
    "piece",
    [
        "A ",
        "not A ",
        "answer is ",
        "answer to ",
        "stem ",
        "(",
        '"',
        "\u0301\u0316",
        "A\n",
        "1 ",
        "**",
        "<answer>",
        "option A ",
    ],
)
def test_a_megabyte_is_read(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert extract(text, PLANT).value in (None, "A")
    assert extract(text + "\nThe answer is C.", PLANT).value == "C"


def test_the_verdict_compares_with_the_gold_letters() -> None:
    sample = Sample("1", 0, "Which?", answers=("C",), choices=("stem", "root", "leaf"), labels=("A", "C", "D"))
    assert grade(sample, "root").value == 1 and grade(sample, "root").extracted == "C"
    assert grade(sample, "leaf").value == 0 and grade(sample, "leaf").parsed
    assert not grade(sample, "B").parsed
