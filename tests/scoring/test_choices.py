"""Letter extraction: the fact-sheet examples, and the ways models wrap, negate, list and refuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.sample import Sample
from cambrian_eval.scoring.choices import extract, grade_choice


def options(*texts: str) -> dict[str, str]:
    return dict(zip("ABCDEFGHI", texts, strict=False))


FRUIT = options("apple", "A basket", "Cherry")
COUNTS = options("Zero", "Five", "Six", "Ten")
STATES = options("solid", "liquid", "gas")
STYLES = options("Baroque", "Gothic", "Rococo", "Romanesque")
ANGLES = options("30°", "45°", "60°", "90°")
PLANT = options("stem", "root", "leaf", "flower")
OPEN = options("Open", "Closed")
TURNS = options("Left", "Straight", "Right")
DIGITS = options("3", "2", "1", "0")
MANY = options("4", "5", "8", "0", "6", "7")
LAMP = options("lamp", "chair")
CASES: list[tuple[dict[str, str], str, str | None]] = [
    # The worked examples of each benchmark's fact sheet, in its own order.
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
    (DIGITS, "Can't tell from this picture", None), (MANY, "Five", "B"), (options("below", "above"), "above", "B"),
    (options("above", "below"), "Both", None), (options("1", "10", "2", "0"), "10", "B"),
    (options("right", "left"), "A lamp is on the left", "B"), (LAMP, "(A) lamp", "A"),
    (LAMP, "The lamp is closer.", "A"), (options("bed", "armchair"), "armchair", "B"), (LAMP, "A chair", "B"),
    (options("table", "coffee table"), "coffee table", "B"), (options("bookcase", "table"), "books", None),
    (LAMP, "The lamp is in front.\nA", "A"), (LAMP, "A and B are equally close", None),
    (options("c", "D", "b", "a"), "c", None), (options("c", "D", "b", "a"), "C", "C"),
    # Negation.
    (PLANT, "Definitely not D, it is B", "B"), (PLANT, "The answer is not B", None), (PLANT, "D? No, B.", "B"),
    (PLANT, "Neither A nor B, so C", "C"), (PLANT, "A and B are wrong, so C", "C"), (PLANT, "It isn't A. It's C.", "C"),
    (PLANT, "A) stem is incorrect. B) root is correct.", "B"), (PLANT, "The answer is B, not A.", "B"),
    (PLANT, "The answer is not A but B", "B"), (PLANT, "It's not the stem but the root", "B"),
    (PLANT, "It cannot be the stem.", None), (LAMP, "The lamp is not closer.", None), (PLANT, "Option A is wrong.", None),
    (PLANT, "I don't think it's A; D is correct", "D"), (PLANT, "The answer isn't A, it's B", "B"),
    (PLANT, "We can eliminate A, B and C, leaving D", "D"), (PLANT, "It is not A, B, or C", None),
    (PLANT, "Neither A, B nor C is right: D", "D"), (PLANT, "B rather than C", "B"),
    # Declarations.
    (PLANT, "The answer is A. Wait, no, the answer is B.", "B"), (PLANT, "Answer:\n\nC", "C"), (PLANT, "Answer - D", "D"),
    (PLANT, "The correct option is clearly B.", "B"), (PLANT, "the answer to the question is b.", "B"),
    (PLANT, "The answer is the root, because stems grow up.", "B"), (PLANT, "The answer is option (c)", "C"),
    (PLANT, "I would choose D because of the petals", "D"), (PLANT, "Final answer: \\boxed{\\text{B}}", "B"),
    (PLANT, "The answer is A or B", None), (PLANT, "Answer: A, B", None), (PLANT, "The answer is A because it is green", "A"),
    (PLANT, "The answer is a flower", "D"), (PLANT, "A is correct", "A"), (PLANT, "The answer is E", None),
    (PLANT, "<answer>B</answer>", "B"), (PLANT, "B<|eot_id|>", "B"), (PLANT, "<think>A? no</think>C", "C"),
    (PLANT, "The answer is B. The stem is option A.", "B"),
    # Wrappings.
    (PLANT, "Ｂ", "B"), (PLANT, "Ⓑ", "B"), (PLANT, "[B]", "B"), (PLANT, "\"B\"", "B"), (PLANT, "B) root", "B"),
    (PLANT, "b. root", "B"), (PLANT, "B: root", "B"), (PLANT, "B - root", "B"), (PLANT, "root (B)", "B"),
    (PLANT, "root, B", "B"), (PLANT, "$B$", "B"), (PLANT, "答案是B", "B"), (PLANT, "答案：B", "B"), (PLANT, "B\n\nA is a stem.", "B"),
    (PLANT, "🙂 B", "B"), (PLANT, "B.root", "B"), (PLANT, "B, because it is below", "B"), (PLANT, "(b)", "B"),
    (PLANT, "stem (B)", None), (PLANT, "A. root", None), (PLANT, "C root", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower", None), (PLANT, "A. stem B. root C. leaf D. flower", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower\n\nAnswer: C", "C"), (PLANT, "ABCD", None), (PLANT, "A/B", None), (PLANT, "A B", None),
    (PLANT, "A. stem\nB. root\nC. leaf\nD. flower\n\nB", "B"), (PLANT, "Option A: stem. Option B: root.", None),
    # Names that are not options, refusals, misspellings, numbers.
    (options("Vitamin A", "Vitamin C", "Vitamin D"), "It contains Vitamin C.", "B"),
    (PLANT, "I cannot see a root in this picture.", None), (PLANT, "I'm sorry, I can't tell.", None),
    (PLANT, "I'm not sure, but probably the leaf", "C"), (PLANT, "I think it is B", "B"), (PLANT, "I am unable to answer", None),
    (options("Cannot be determined", "Yes"), "It cannot be determined.", "A"),
    (options("photosynthesis", "respiration"), "photosyntesis", "A"),
    (options("symmetric figure", "circle"), "asymmetric figure", None), (options("legal", "other"), "illegal", None),
    (options("5 N", "10 N"), "5N", "A"), (DIGITS, "There are two dogs.", "B"), (DIGITS, "There are 2 dogs and 1 cat.", None),
    (ANGLES, "60 degrees", "C"), (ANGLES, "It must be 60 degrees.", "C"), (options("$5", "$50"), "$50.", "B"),
    (options("1,000", "100"), "1000", "A"), (options("0.5", "5"), "0.5", "A"), (options("-1", "1"), "-1", "A"),
    (options("cat", "dog"), "A dog, not a cat.", "B"), (options("dog", "dog", "cat"), "dog", None),
]  # fmt: skip


@pytest.mark.parametrize(("given_options", "text", "letter"), CASES)
def test_the_option_a_careful_reader_would_take(given_options: dict[str, str], text: str, letter: str | None) -> None:
    found = extract(text, given_options)
    assert found.letter == letter, found.rule
