"""Readings that were once wrong on responses of real models, one table for each kind.

The words are invented, the shapes are real.
"""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval import grade, grade_all
from cambrian_eval.scoring import letter, number, yes_no
from cambrian_eval.scoring.reply import Reply

ANGLES = ("135°", "140°", "145°", "150°")
PLANT = ("stem", "root", "leaf", "flower")
THINGS = ("table", "sofa")
CLOSER = "Which is closer to the camera, the table (highlighted by a red box) or the sofa (highlighted by a blue box)?"
TASTE = ("rough", "salty", "slippery")
SEA = ("rock", "kelp", "jellyfish")
COLONY = ("Virginia", "Maryland", "Delaware")
NOT = "Which of these is NOT a mammal?"
SAMPLES = ("sample B", "sample A", "neither")

OPTIONS = [
    # declarations in other languages, after other text
    (ANGLES, "因为∠A=110°, 所以...\n正确答案是 (C) 145°。", "", "C"),
    (ANGLES, "由内角和定理可得。故选C。", "", "C"),
    (ANGLES, "计算得 145°\n答案:C", "", "C"),
    (PLANT, "所以∠A的度数为27°，选项为(C)。", "", "C"),
    (PLANT, "CD的长为5，选项A正确。", "", "A"),
    (PLANT, "したがって、正解は B です。", "", "B"),
    (PLANT, "따라서 정답은 (C)입니다.", "", "C"),
    (PLANT, "La imagen muestra una planta. La respuesta correcta es la A.", "", "A"),
    (PLANT, "La bonne réponse est B.", "", "B"),
    (PLANT, "Die richtige Antwort ist C.", "", "C"),
    # a list header, a per-option analysis
    (TASTE, "Let's evaluate each option:\n- A. Rough: not a property\n- B. Salty: yes\n- C. Slippery: no", "", "B"),
    (
        TASTE,
        "Let's evaluate each option:\n- A. Rough: it may be\n- B. Salty: it may be\n- C. Slippery: it may be",
        "",
        None,
    ),
    (SEA, "A. rock is not alive\nB. kelp: yes\nC. jellyfish does not fit", "", "B"),
    (PLANT, "The correct answer is:\n\nA. stem\nB. root\nC. leaf\nD. flower", "", None),
    (PLANT, "The answer is:\n\nB. root\n\nA is the stem.", "", "B"),
    # words between "the answer" and its "is"
    (("0/4", "1/4", "3/4", "4/4", "2/4"), "The correct answer based on the Punnett square is E. 2/4", "", "E"),
    # refusals
    (("Yes", "No"), "There is no answer provided.", "Is it red?", None),
    (
        ("metal", "clay"),
        'The correct answer is not provided. The options "metal" and "clay" do not describe the jacket.',
        "Which material is this jacket made of?",
        None,
    ),
    (ANGLES, "So it is 145°.\n\nHowever, this value is not in the options.", "", None),
    (
        ("Yes", "No"),
        "If it is wide, the answer is (A) Yes. If not, the answer is (B) No. We cannot determine it.",
        "Is it?",
        None,
    ),
    # names that are lone letters
    (PLANT, "By the theorem, 12^2 + C^2 = 13^2.", "", None),
    (PLANT, "Therefore investment B has the higher return.", "Compare investments A and B.", None),
    (PLANT, "The reactions at C are vertical.", "", None),
    (PLANT, "The son inherits the allele B.", "", None),
    (("20", "30", "40", "50"), "∠C = 20°", "", "A"),
    # the subject first, the other option later
    (THINGS, "A table (red box) is closer to the camera. The sofa (blue box) is farther away.", CLOSER, "A"),
    (THINGS, "Compared to the table, the sofa is closer.", CLOSER, "B"),
    (THINGS, "The sofa is nearer to the camera than the table.", CLOSER, "B"),
    (COLONY, "The colony shown is Maryland. It is bordered by Virginia.", "What is the name of the colony shown?", "B"),
    (("dog", "cat", "snake"), "The snake is not a mammal. The dog and the cat are mammals.", NOT, "C"),
    (
        SAMPLES,
        "The particles in sample A are slower. Therefore, sample B has the higher temperature than sample A.",
        "Which sample has the higher temperature?",
        "A",
    ),
    # options that are named without being chosen
    (PLANT, "Option A directly relates to the source, while Option B involves the sink.", "", None),
    (PLANT, "This rules out option B.", "", None),
    (PLANT, "We can rule out option B and option C.", "", None),
    # yes and no without either word
    (("Yes", "No"), "Dark Blue is not the roughest. The roughest is Red.", "Is Dark Blue the roughest?", "B"),
    (("Yes", "No"), "The building is at least five stories tall.", "Is the building at least five stories tall?", "A"),
    (("Yes", "No"), "There are more dogs than cats.", "Are there more cats than dogs?", None),
    (("yes", "no"), "A: No, it is not.", "Is it?", "B"),
    (("yes", "no"), "No, Coral is not the minimum. The minimum is A.", "Is Coral the minimum?", "B"),
    # a question of the model's own making after its answer
    (
        PLANT,
        "The part is below ground, it takes up water.\nThe answer is B.\n\nQuestion: Which is green?\nThe answer is C.",
        "",
        "B",
    ),
]


@pytest.mark.parametrize(("texts", "reply", "question", "wanted"), OPTIONS)
def test_options(texts: tuple[str, ...], reply: str, question: str, wanted: str | None) -> None:
    found = letter.read(Reply(reply), dict(zip("ABCDE", texts, strict=False)), question)
    assert found.value == wanted, found
    assert (found.reason is None) == (wanted is not None)


NUMBERS = [
    ("There are two bars with values larger than 4.", "How many bars have values larger than 4?", 2),
    ("The value of y at x = -2.5 is 2", "What is the value of y at x=-2.5?", 2),
    ("It is highest in **2019**, with 25.8%. In 2020 it was 15.4%.", "In which year is it the highest?", 2019),
    ("There are two bars with values smaller than 0.", "How many bars have values smaller than 0?", 2),
    ("The ratio is 2:1.", "What is the ratio of red to blue?", 2),
    ("197.3 billion", "How much?", 197.3e9),
    ("He will spend $10.4 on 1+3/10 kilograms.", "Ada buys 1+3/10 kilograms. How much will she spend?", 10.4),
    ("\\frac{3\\sqrt{5}}{2}", "How long?", 3 * 5**0.5 / 2),
    ("3√5 / 2", "How long?", 3 * 5**0.5 / 2),
    ("I am unable to determine the age gap between the two people.", "What is the age gap?", None),
    ("There is not enough information to determine f(0).", "What is f(0)?", None),
    (
        "The model has ___ dots divided into 2 equal groups.",
        "The model has dots divided into 2 equal groups. How many?",
        None,
    ),
    ("The gap is 10 years, with the younger being 30 and the older 40.", "What is the age gap?", 10),
    (
        "The median is the average of 5 and 5. So the median is **5**. Half of the towns have 6 or more.",
        "What is the median?",
        5,
    ),
    ("The answer is an integer between 40 and 60.", "How many miles?", None),
    ("The range of the numbers is 1 to 7.", "What is the range of the numbers?", None),
    ("$1000 * 12 / 500 = $24", "What is the value?", 24),
    ("Step 3) It leads to 2/0.\nTherefore, the limit does not exist.", "What is the limit?", None),
]


@pytest.mark.parametrize(("reply", "question", "wanted"), NUMBERS)
def test_numbers(reply: str, question: str, wanted: float | None) -> None:
    found = number.read(Reply(reply), question)
    assert (found.value.value if found.value else None) == (None if wanted is None else pytest.approx(wanted)), found


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ('the sign in the picture translates to "no sm', None),
        ('It translates to "no smoking", so yes', "Yes"),
        ("Yeah, it is", "Yes"),
        ("The answer is: No.", "No"),
        ("是的", "Yes"),
        ("Nein.", "No"),
        ("yes yes yes", "Yes"),
    ],
)
def test_yes_and_no(reply: str, wanted: str | None) -> None:
    assert yes_no.read(Reply(reply)).value == wanted


def test_an_open_answer_is_what_the_response_concludes() -> None:
    row = {"id": "validation_Finance_1", "question": "What is the value?", "options": "[]", "question_type": "open"}
    assert grade("mmmu", row | {"answer": "1000"}, "$1000 * 12 / 500 = $24").value == 0
    assert grade("mmmu", row | {"answer": "24"}, "$1000 * 12 / 500 = $24").value == 1
    assert grade("mmmu", row | {"answer": "mitosis"}, "It is not meiosis. Therefore the process is mitosis.").value == 1


def test_of_equal_choices_both_are_right_and_the_released_gold_is_the_last() -> None:
    row: dict[str, Any] = {"pid": "1", "question": "Find CD.", "choices": ["9", "12", "18", "18"], "answer": "18"}
    row |= {"question_type": "multi_choice", "answer_type": "text", "precision": None}
    for reply in ("C", "D", "18", "(D) 18", "The answer is 18."):
        assert grade("mathvista", row, reply).value == 1, reply
    assert grade("mathvista", row, "D", "official").value == 1
    assert grade("mathvista", row, "C", "official").value == 0


def test_released_scienceqa_strips_after_deleting_punctuation() -> None:
    row = {"question": "Is it?", "choices": ["no", "yes"], "answer": 1, "hint": ""}
    assert grade("scienceqa", row, "The answer is: yes", "official").value == 1


def test_words_are_judged_by_the_metric_of_the_benchmark() -> None:
    row = {"dataset": "x", "question": "What road?", "question_type": "Regular Text Recognition"}
    assert grade("ocrbench", row | {"answer": ["OXFORD ST"]}, 'The name is "Oxford Street."').value == 1
    assert grade("ocrbench", row | {"answer": ["OXFORD ST"]}, "Oxford").value == 0
    food = {"pid": "1", "question": "Which animal would lack food?", "choices": ["Deer", "Frogs"], "answer": "Frogs"}
    food |= {"question_type": "multi_choice", "answer_type": "text", "precision": None}
    assert grade("mathvista", food, "The animal that would lack food is the frog.").value == 1
    shelf = {"id": "1", "question": "What is it?", "answer": "frogs"}
    assert grade("gqa", shelf, "frog").value == 0


def test_a_wrong_answer_never_says_that_it_is_equal() -> None:
    row = {"pid": "1", "question": "How many?", "choices": None, "answer": "14", "question_type": "free_form"}
    row |= {"answer_type": "integer", "precision": None}
    assert grade("mathvista", row, "15").rule.endswith("differs from the answer")
    assert grade("mathvista", row, "14").rule.endswith("equal to the answer")


def test_thoughts_are_counted_and_named_in_the_result() -> None:
    rows = [{"id": str(i), "question": "What is it?", "answer": "cup"} for i in range(4)]
    said = ["<think>a bowl?</think>cup", "cup", "<think>a cup, I", ""]
    fuzzy, official = (grade_all("gqa", rows, said, scorer) for scorer in ("fuzzy", "official"))
    assert (fuzzy.score, fuzzy.n_unparsed, fuzzy.n_unfinished) == (50.0, 2, 1)
    assert any("end inside a thought" in note for note in fuzzy.notes)
    assert official.score == 50.0 and any("removed from 2 responses" in note for note in official.notes)
    raw = grade_all("gqa", rows, said, "official", official_raw=True)
    assert raw.score == 25.0 and raw.n_unfinished == 0 and any("kept in 2" in note for note in raw.notes)
    assert grade("gqa", rows[0], said[0], "official", official_raw=True).value == 0.0
