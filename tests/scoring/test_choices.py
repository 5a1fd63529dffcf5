"""Letter extraction: the fact-sheet examples, and the ways models wrap, negate, list and refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
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
YES_NO = options("Yes", "No")
BOAT = options("car", "boat", "A plane", "train")
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
    (PLANT, "I cannot see a root in this picture.", None), (PLANT, "I'm sorry, I can't tell.", None),
    (PLANT, "I'm not sure, but probably the leaf", "C"), (PLANT, "I think it is B", "B"),
    (PLANT, "I am unable to answer", None),
    (options("Cannot be determined", "Yes"), "It cannot be determined.", "A"),
    (options("photosynthesis", "respiration"), "photosyntesis", "A"),
    (options("symmetric figure", "circle"), "asymmetric figure", None), (options("legal", "other"), "illegal", None),
    (options("5 N", "10 N"), "5N", "A"), (DIGITS, "There are two dogs.", "B"),
    (DIGITS, "There are 2 dogs and 1 cat.", None),
    (ANGLES, "60 degrees", "C"), (ANGLES, "It must be 60 degrees.", "C"), (options("$5", "$50"), "$50.", "B"),
    (options("1,000", "100"), "1000", "A"), (options("0.5", "5"), "0.5", "A"), (options("-1", "1"), "-1", "A"),
    (options("cat", "dog"), "A dog, not a cat.", "B"), (options("dog", "dog", "cat"), "dog", None),
]  # fmt: skip

MORE: list[tuple[dict[str, str], str, str | None]] = [
    (PLANT, "Option (B).", "B"),
    (PLANT, "Choice B", "B"),
    (PLANT, "Letter B", "B"),
    (PLANT, "The letter is B", "B"),
    (PLANT, "My answer is b)", "B"),
    (PLANT, "**Answer: B**", "B"),
    (PLANT, "**Answer:** B", "B"),
    (PLANT, "Answer: **B. root**", "B"),
    (PLANT, "### Answer\nB", "B"),
    (PLANT, "The correct answer is B: root.", "B"),
    (PLANT, 'The correct answer is "B".', "B"),
    (PLANT, "Correct answer: (B) root", "B"),
    (PLANT, "It's B.", "B"),
    (PLANT, "I'd say B", "B"),
    (PLANT, "B is the answer", "B"),
    (PLANT, "B is correct because A is green", "B"),
    (PLANT, "The answer is B) root", "B"),
    (PLANT, "Based on the image, the answer is B.", "B"),
    (PLANT, "answer is B.", "B"),
    (PLANT, "ANSWER: B", "B"),
    (PLANT, "ANSWER IS B", "B"),
    (PLANT, "the answer is b", "B"),
    (PLANT, "Answer is option B", "B"),
    (PLANT, "Answer (B)", "B"),
    (PLANT, "Answer B", "B"),
    (PLANT, "(B", "B"),
    (PLANT, "B)", "B"),
    (PLANT, "{B}", "B"),
    (PLANT, "<B>", "B"),
    (PLANT, "B;", "B"),
    (PLANT, "B!", "B"),
    (PLANT, "'B'", "B"),
    (PLANT, "`B`", "B"),
    (PLANT, "~B~", "B"),
    (PLANT, "-B", "B"),
    (PLANT, "• B", "B"),
    (PLANT, "B\n", "B"),
    (PLANT, " B ", "B"),
    (PLANT, "\tB", "B"),
    (PLANT, "B.\n\nExplanation: The root is A part below ground.", "B"),
    (PLANT, "root.", "B"),
    (PLANT, "The root", "B"),
    (PLANT, "the root.", "B"),
    (PLANT, "It is the root.", "B"),
    (PLANT, "It's root", "B"),
    (PLANT, "This is a root", "B"),
    (PLANT, "I see a root in the picture", "B"),
    (PLANT, "a ROOT!", "B"),
    (PLANT, '"root"', "B"),
    (PLANT, "The part labelled is the root of the plant.", "B"),
    (PLANT, "roots", "B"),
    (PLANT, "stem and root", None),
    (PLANT, "stem, root", None),
    (PLANT, "root or leaf", None),
    (PLANT, "either the root or the leaf", None),
    (PLANT, "Not the stem", None),
    (PLANT, "not root", None),
    (PLANT, "It is not a stem, it is a leaf", "C"),
    (PLANT, "There's no flower; that is a leaf", "C"),
    (PLANT, "I don't know", None),
    (PLANT, "I cannot determine the answer.", None),
    (PLANT, "As an AI language model, I cannot see images.", None),
    (PLANT, "None of the above", None),
    (PLANT, "All of the above", None),
    (PLANT, "Unable to answer", None),
    (PLANT, "N/A", None),
    (PLANT, "?", None),
    (PLANT, "...", None),
    (PLANT, "both B and C", None),
    (PLANT, "B and C", None),
    (PLANT, "B & C", None),
    (PLANT, "B or C", None),
    (PLANT, "B/C", None),
    (PLANT, "(B) or (C)", None),
    (PLANT, "(B), (C)", None),
    (PLANT, "B, C and D", None),
    (PLANT, "either B or C", None),
    (PLANT, "BC", None),
    (PLANT, "A, B, C, D", None),
    (BOAT, "A boat", "B"),
    (BOAT, "A boat is visible", "B"),
    (BOAT, "A boat.", "B"),
    (BOAT, "a boat", "B"),
    (BOAT, "An apple", None),
    (BOAT, "A plane", "C"),
    (BOAT, "A: car", "A"),
    (BOAT, "A car", "A"),
    (BOAT, "A train is coming", "D"),
    (BOAT, "A big red boat", "B"),
    (BOAT, "A. boat", None),
    (BOAT, "A, boat", None),
    (BOAT, "(A) boat", None),
    (BOAT, "I think a boat", "B"),
    (BOAT, "The answer is a boat.", "B"),
    (BOAT, "Answer: A boat", "B"),
    (BOAT, "Answer: a plane", "C"),
    (BOAT, "The answer is A plane", "C"),
    (BOAT, "The answer is A.", "A"),
    (BOAT, "A because it has wheels", "A"),
    (BOAT, "A is correct", "A"),
    (BOAT, "A", "A"),
    (BOAT, "a", "A"),
    (BOAT, "a.", "A"),
    (BOAT, "A person", None),
    (BOAT, "A dog and a cat", None),
    (YES_NO, "Yes", "A"),
    (YES_NO, "yes.", "A"),
    (YES_NO, "No, it isn't", "B"),
    (YES_NO, "Yes, it is", "A"),
    (YES_NO, "A", "A"),
    (YES_NO, "No", "B"),
    (YES_NO, "B. No", "B"),
    (YES_NO, "No.", "B"),
    (YES_NO, "yes and no", None),
    (YES_NO, "There is no dog", "B"),
    (YES_NO, "Nope", None),
    (YES_NO, "A. No", None),
    (PLANT, "The answer is not A.", None),
    (PLANT, "not A, not B, not C, so D", "D"),
    (PLANT, "A is incorrect, B is incorrect, C is incorrect, D is correct", "D"),
    (PLANT, "It can't be A or B, leaving C", "C"),
    (PLANT, "I rule out A and C. D is too big. So B.", "B"),
    (PLANT, "A is wrong", None),
    (PLANT, "Definitely not B", None),
    (PLANT, "B? No. C.", "C"),
    (PLANT, "First I thought A but the answer is D", "D"),
    (PLANT, "A isn't right. C is.", "C"),
    (PLANT, "Not B but C", "C"),
    (PLANT, "C, not B", "C"),
    (PLANT, "C (not B)", "C"),
    (PLANT, "C instead of B", "C"),
    (options("1", "2", "3", "4"), "3", "C"),
    (options("1", "2", "3", "4"), "three", "C"),
    (options("1", "2", "3", "4"), "There are 3 cars", "C"),
    (options("1", "2", "3", "4"), "13", None),
    (options("1", "2", "3", "4"), "3.5", None),
    (options("1", "2", "3", "4"), "(3)", "C"),
    (options("1", "2", "3", "4"), "3 or 4", None),
    (options("1", "2", "3", "4"), "C) 3", "C"),
    (options("1", "2", "3", "4"), "C. 4", None),
    (options("1", "2", "3", "4"), "-3", None),
    (options("10%", "20%", "30%", "40%"), "20", "B"),
    (options("10%", "20%", "30%", "40%"), "20 %", "B"),
    (options("10%", "20%", "30%", "40%"), "about 20 percent", "B"),
    (options("$1,200", "$1,300"), "1200", "A"),
    (options("$1,200", "$1,300"), "1200 dollars", "A"),
    (options("1/2", "1/4"), "0.5", "A"),
    (options("1/2", "1/4"), "½", "A"),
    (options("1/2", "1/4"), "\\frac{1}{2}", "A"),
    (options("1990", "1991"), "It was built in 1990.", "A"),
    (PLANT, "正确答案是 B", "B"),
    (PLANT, "选B", "B"),
    (PLANT, "B。", "B"),
    (PLANT, "الإجابة هي B", "B"),
    (PLANT, "\u200fB\u200f", "B"),
    (PLANT, "Ответ: B", "B"),
    (PLANT, "回答：(B)", "B"),
    (PLANT, "✅ B", "B"),
    (PLANT, "👉 B. root", "B"),
    (PLANT, "Ⓑ", "B"),
    (PLANT, "ｂ", "B"),
    (PLANT, "𝐁", "B"),
    (PLANT, "\\boxed{B}", "B"),
    (PLANT, "The answer is $\\boxed{B}$.", "B"),
    (PLANT, "\\boxed{\\textbf{(B)}}", "B"),
    (PLANT, "\\(B\\)", "B"),
    (PLANT, "$\\text{B}$", "B"),
    (PLANT, "<answer> B </answer>", "B"),
    (PLANT, "[[B]]", "B"),
    (PLANT, '{"answer": "B"}', "B"),
    (PLANT, "answer=B", "B"),
    (PLANT, "Final Answer: B", "B"),
    (PLANT, "Therefore, B.", "B"),
    (PLANT, "So, the correct choice is B.", "B"),
    (PLANT, "Thus the correct option is (b).", "B"),
    (PLANT, "Hence (b)", "B"),
    (PLANT, "The option that best fits is B", "B"),
    (PLANT, "The answer would be B", "B"),
    (PLANT, "I believe the answer to be B", "B"),
    (PLANT, "I'm going with B", "B"),
    (PLANT, "I choose option B.", "B"),
    (PLANT, "Selected: B", "B"),
    (PLANT, "B it is", "B"),
    (PLANT, "Sure! B", "B"),
    (PLANT, "Sure, the answer is B.", "B"),
    (PLANT, "Of course. The answer is root.", "B"),
    (PLANT, "The image shows a stem. The answer is B.", "B"),
    (PLANT, "The answer is B. The stem is not it.", "B"),
    (PLANT, "B\nroot", "B"),
    (PLANT, "root\nB", "B"),
    (PLANT, "(B) root\n(A) is the stem", "B"),
    (PLANT, "B. root is correct since C. leaf is green.", "B"),
    (PLANT, "E", None),
    (PLANT, "F. something", None),
    (PLANT, "The answer is E. root", "B"),
    (PLANT, "Z", None),
    (PLANT, "1. B", "B"),
    (PLANT, "2", None),
    (PLANT, "Question: ...? Answer: B", "B"),
    (PLANT, "User: B", "B"),
    (options("North", "South", "East", "West"), "west side", "D"),
    (options("North", "South", "East", "West"), "northwest", None),
    (options("above", "below"), "It's above the table", "A"),
    (options("left", "right"), "on the right.", "B"),
    (options("left", "right"), "You are right, it's left", None),
    (options("red", "green", "dark green"), "dark green", "C"),
    (options("red", "green", "dark green"), "The colour is green", "B"),
    (options("red", "green"), "redish", None),
    (options("man", "woman"), "woman", "B"),
    (options("man", "woman"), "A woman", "B"),
    (options("male", "female"), "female", "B"),
    (options("Vitamin C", "Vitamin D"), "Vitamin C", "A"),
    (options("hepatitis B", "hepatitis A"), "hepatitis A", "B"),
    (options("A only", "B only", "Both A and B"), "Both A and B", "C"),
    (options("A only", "B only", "Both A and B"), "C", "C"),
    (options("A only", "B only", "Both A and B"), "A only", "A"),
    (options("I only", "II only", "I and II"), "I and II", "C"),
    (options("I only", "II only", "I and II"), "The answer is II only", "B"),
    (options("Yes", "No", "Cannot tell"), "I cannot tell.", "C"),
    (options("A", "B", "C"), "B", "B"),
    (options("B", "C", "A"), "B", "B"),
    (options("a", "b", "c"), "b", "B"),
    (options("x", "y"), "x", "A"),
    (options("x", "y"), "The answer is y", "B"),
    (options("photosynthesis", "respiration"), "photosythesis", "A"),
    (options("Golden Gate Bridge", "Brooklyn Bridge"), "golden gate brige", "A"),
    (options("a man riding a horse", "a woman riding a bike"), "A man is riding a horse.", "A"),
    (options("The dog is on the left.", "The dog is on the right."), "The dog is on the left", "A"),
    (options("increase", "decrease"), "decreases", "B"),
    (PLANT, "A: root", None),
    (PLANT, "I", None),
    (options("stem", "root", "leaf", "flower", "x", "y", "z", "w", "v"), "I", "I"),
    (options("stem", "root", "leaf", "flower", "xx", "yy", "zz", "ww", "vv"), "I think it is H", "H"),
    (PLANT, "Answer:B", "B"),
    (PLANT, "answer:b", "B"),
    (PLANT, "The answer:  C", "C"),
    (PLANT, "The answer is:\n\nC", "C"),
    (PLANT, "The answer is:\nC. leaf", "C"),
    (PLANT, "D.flower", "D"),
    (PLANT, "D-flower", "D"),
    (PLANT, "D flower", "D"),
    (PLANT, "d flower", "D"),
    (PLANT, "D:flower", "D"),
    (PLANT, "D) flower.", "D"),
    (PLANT, "D\tflower", "D"),
    (PLANT, "D – flower", "D"),
    (PLANT, "D, flower", "D"),
    (PLANT, "flower (D)", "D"),
    (PLANT, "flower - D", "D"),
    (PLANT, "the flower, option D", "D"),
    (PLANT, "The answer is B or C.", None),
    (PLANT, "The answer is either B or C", None),
    (PLANT, "The answer could be A, B, or C.", None),
    (PLANT, "Answer: B and D", None),
    (PLANT, "The answers are B and D", None),
]


@pytest.mark.parametrize(("given_options", "text", "letter"), CASES + MORE)
def test_the_option_a_careful_reader_would_take(given_options: dict[str, str], text: str, letter: str | None) -> None:
    found = extract(text, given_options)
    assert found.letter == letter, found.rule


WRAPPINGS = (
    "{}", "({})", "[{}]", "{}.", "{})", "({}).", "**{}**", "`{}`", '"{}"', "<answer>{}</answer>", "\\boxed{{{}}}",
    "$\\text{{{}}}$",
    "The answer is {}", "The answer is: {}.", "the correct answer is ({}).", "Answer: {}", "Answer:\n\n{}",
    "Option {}", "option ({})",
    "I think it is {}.", "So, {}.", "It must be {}!", "{}<|eot_id|>", "{} is correct.",
    "{}, because the picture shows it.",
    "The picture shows it.\n{}", "{}\n\nThe picture shows it.", "My final answer is **{}**.", "I would choose {}.",
)  # fmt: skip
THINGS = (
    "anchor", "basket", "candle", "dragon", "engine", "feather", "guitar", "hammer", "island", "jacket", "kettle",
    "ladder",
)  # fmt: skip
WORDS = st.lists(
    st.sampled_from(
        [
            "anchor",
            "basket",
            "candle",
            "dragon",
            "engine",
            "feather",
            "guitar",
            "hammer",
            "island",
            "jacket",
            "kettle",
            "ladder",
        ]
    ),
    min_size=2,
    max_size=9,
    unique=True,
)
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
    assert extract(wrapped, given_options).letter == letter
    own = given_options[letter]
    for text in (own, own.upper(), f"the {own}.", f"It is the {own}.", f"({letter}) {own}", f"{letter}. {own}"):
        assert extract(text, given_options).letter == letter


@given(WORDS, st.lists(st.sampled_from(SENTENCES), max_size=4), st.data())
def test_what_stands_before_the_answer_changes_nothing(
    words: list[str], before: list[str], data: st.DataObject
) -> None:
    given_options = options(*words)
    letter = data.draw(st.sampled_from(list(given_options)))
    answer = data.draw(st.sampled_from((f"The answer is {letter}.", f"The answer is: ({letter})", f"Answer: {letter}")))
    assert extract(" ".join([*before, answer]), given_options).letter == letter


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5))
def test_any_text_gives_one_of_the_letters_or_none_and_always_the_same(text: str, texts: list[str]) -> None:
    given_options = options(*texts)
    found = extract(text, given_options)
    assert found.letter is None or found.letter in given_options
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
    assert extract(text, PLANT).letter in (None, "A")
    assert extract(text + "\nThe answer is C.", PLANT).letter == "C"


def test_the_verdict_compares_with_the_gold_letters() -> None:
    sample = Sample("1", 0, "Which?", answers=("C",), choices=("stem", "root", "leaf"), labels=("A", "C", "D"))
    assert grade_choice(sample, "root").value == 1 and grade_choice(sample, "root").extracted == "C"
    assert grade_choice(sample, "leaf").value == 0 and grade_choice(sample, "leaf").parsed
    assert not grade_choice(sample, "B").parsed
