"""CV-Bench 2D and 3D: rows, prompt, the worked examples, the source-averaged score."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.benchmarks.vision_centric.cvbench_2d import CVBench2D
from cambrian_eval.benchmarks.vision_centric.cvbench_3d import CVBench3D
from cambrian_eval.errors import UserError
from cambrian_eval.sample import Verdict

LAST = "Answer with the option's letter from the given choices directly."


def row(choices: str, answer: str, kind: str = "2D", source: str = "COCO", **more: Any) -> dict[str, Any]:
    listed = choices.split(",")
    lines = "\n".join(f"({letter}) {text}" for letter, text in zip("ABCDEF", listed, strict=False))
    return {
        "idx": 12,
        "type": kind,
        "task": "Count",
        "question": "How many organs are in the image?",
        "choices": listed,
        "answer": f"({answer})",
        "prompt": f"How many organs are in the image? Select from the following choices.\n{lines}",
        "filename": "img/2D/count/coco_1.png",
        "source": source,
        "source_dataset": "COCO val2017",
        "source_filename": "000000412362.jpg",
        **more,
    }


def test_sample_and_prompt() -> None:
    bench = CVBench2D()
    sample = bench.to_sample(row("3,2,1,0", "C"), 4)
    assert sample is not None
    assert (sample.id, sample.answers, sample.guesses) == ("12", ("C",), ("A", "B", "C", "D"))
    assert sample.tags == {"task": "Count", "source": "COCO"}
    expected = (
        f"How many organs are in the image? Select from the following choices.\n(A) 3\n(B) 2\n(C) 1\n(D) 0\n{LAST}"
    )
    assert bench.prompt(sample) == expected


def test_each_half_leaves_the_other_out_and_bad_answers_are_named() -> None:
    assert CVBench3D().to_sample(row("a,b", "A"), 0) is None
    assert CVBench2D().to_sample(row("a,b", "A", kind="3D"), 0) is None
    with pytest.raises(UserError, match="is not a letter"):
        CVBench2D().to_sample(row("a,b", "C"), 0)


TWO = [
    ("(C) 1", "3,2,1,0", "C", 1, 1),
    ("1", "3,2,1,0", "C", 0, 1),
    ("The answer is (C).", "3,2,1,0", "C", 1, 1),
    ("The answer is: C", "3,2,1,0", "C", 0, 1),
    ("Option C", "3,2,1,0", "C", 0, 1),
    ("Can't tell from this image", "3,2,1,0", "C", 1, 0),
    ("Five", "4,5,8,0,6,7", "F", 1, 0),
    ("above", "below,above", "B", 0, 1),
    ("above", "below,above", "A", 1, 0),
    ("Both", "above,below", "B", 1, 0),
    ("10", "1,10,2,0", "B", 0, 1),
    ("A lamp is on the left", "right,left", "A", 1, 0),
    ("", "3,2,1,0", "C", 0, 0),
]
THREE = [
    ("(A) lamp", "lamp,chair", "A", 1, 1),
    ("lamp", "lamp,chair", "A", 0, 1),
    ("The lamp is closer.", "lamp,chair", "A", 0, 1),
    ("bus", "bus,car", "A", 0, 1),
    ("bus", "bus,car", "B", 1, 0),
    ("armchair", "bed,armchair", "A", 1, 0),
    ("A chair", "lamp,chair", "A", 1, 0),
    ("A chair", "lamp,chair", "B", 0, 1),
    ("coffee table", "table,coffee table", "B", 0, 1),
    ("books", "bookcase,table", "A", 0, 0),
    ("The lamp is in front.\nA", "lamp,chair", "A", 0, 1),
    ("A and B are equally close", "lamp,chair", "A", 1, 0),
    ("", "lamp,chair", "A", 0, 0),
]


@pytest.mark.parametrize(("text", "choices", "gold", "official", "fuzzy"), TWO)
def test_worked_examples_2d(text: str, choices: str, gold: str, official: int, fuzzy: int) -> None:
    sample = CVBench2D().to_sample(row(choices, gold), 0)
    assert sample is not None
    assert CVBench2D().official(sample, text).value == official
    assert CVBench2D().fuzzy(sample, text).value == fuzzy


@pytest.mark.parametrize(("text", "choices", "gold", "official", "fuzzy"), THREE)
def test_worked_examples_3d(text: str, choices: str, gold: str, official: int, fuzzy: int) -> None:
    sample = CVBench3D().to_sample(row(choices, gold, kind="3D", source="Omni3D"), 0)
    assert sample is not None
    assert CVBench3D().official(sample, text).value == official
    assert CVBench3D().fuzzy(sample, text).value == fuzzy


def test_sources_weigh_the_same() -> None:
    bench = CVBench2D()
    verdicts = [("ADE20K", 1), ("ADE20K", 1), ("ADE20K", 1), ("ADE20K", 0), ("COCO", 1), ("COCO", 0)]
    graded = []
    for i, (source, value) in enumerate(verdicts):
        sample = bench.to_sample(row("1,2", "A", source=source), i)
        assert sample is not None
        graded.append(Graded(sample, Verdict(float(value), None, "")))
    units = bench.units(graded, "fuzzy")
    strata = sorted({u.stratum for u in units})
    means = {}
    for stratum in strata:
        values = [u.value for u in units if u.stratum == stratum]
        means[stratum] = sum(values) / len(values)
    metrics = bench.metrics(strata)
    assert sum(w * means[s] for s, w in metrics["score"].items()) == pytest.approx(62.5)
    assert sum(w * means[s] for s, w in metrics["row_accuracy"].items()) == pytest.approx(400 / 6)
    assert len(bench.units_of_tag(units)) == 6
