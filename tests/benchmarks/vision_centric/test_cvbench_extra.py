"""CV-Bench extra: groups whose members must all be right, numbers in meters, and the component of 3D rows."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.benchmarks.vision_centric.cvbench_3d import CVBench3D
from cambrian_eval.benchmarks.vision_centric.cvbench_extra import CVBenchExtra
from cambrian_eval.errors import UserError
from cambrian_eval.results import statistics
from cambrian_eval.sample import Sample

METERS = "How far apart are the bed (..) and the lamp (..) in the real world? Answer with a number in meters."


def row(
    key: str, task: str = "Size", choices: tuple[str, ...] = ("bed", "lamp"), answer: str = "(A)"
) -> dict[str, Any]:
    return {
        "idx": 0,
        "key": key,
        "type": "extra",
        "task": task,
        "question": METERS if task == "Meters" else "Which is larger?",
        "choices": list(choices),
        "answer": answer,
        "prompt": METERS if task == "Meters" else "Which is larger? Select ..",
        "source": "Omni3D",
        "source_dataset": "x",
        "source_filename": f"{key[0]}.jpg",
    }


def sample(*args: Any, **more: Any) -> Sample:
    made = CVBenchExtra().to_sample(row(*args, **more), 0)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("reply", "value", "relative"),
    [
        ("2.0", 1.0, 1.0),
        ("About 2.4 meters.", 1.0, 0.7),  # 20 % off: within 50, 45, 40, 35, 30, 25 and 20 %
        ("2.5 m", 1.0, 0.6),  # 25 % off
        ("2.6 m", 0.0, 0.5),  # 30 % off: within 50 to 30 %
        ("180 cm", 1.0, 0.9),  # 10 % off: all but 5 %
        ("6 feet", 1.0, 0.9),  # 1.83 m, 8.6 % off
        ("10", 0.0, 0.0),
        ("I cannot tell.", 0.0, 0.0),
    ],
)
def test_numbers_within_a_tolerance_and_how_close_they_are(reply: str, value: float, relative: float) -> None:
    bench, asked = CVBenchExtra(), sample("a", "Meters", (), "2.00")
    verdict = bench.fuzzy(asked, reply)
    assert verdict.value == value
    units = bench.units([Graded(asked, verdict)], "fuzzy")
    weights = bench.metrics(sorted({u.stratum for u in units}))
    assert statistics.score(units, weights["mean_relative_accuracy"]) == pytest.approx(100 * relative)
    assert bench.prompt(asked) == METERS
    assert bench.prompt(sample("a")).endswith("Answer with the option's letter from the given choices directly.")


def test_all_variants_of_a_question_must_be_right_and_tasks_weigh_the_same() -> None:
    bench = CVBenchExtra()
    samples = [sample("k/r0"), sample("k/r1", answer="(B)"), sample("m/o"), sample("m/m", answer="(B)")]
    samples.append(sample("a", "Meters", (), "2.00"))
    assert [s.group for s in samples] == ["k", "k", "m", "m", None]
    # the second rotation is wrong; the mirrored pair is right; the number is wrong
    replies = ("A", "A", "A", "B", "7")
    graded = [Graded(s, bench.fuzzy(s, reply)) for s, reply in zip(samples, replies, strict=True)]
    units = bench.units(graded, "fuzzy")
    weights = bench.metrics(sorted({u.stratum for u in units}))
    assert statistics.score(units, weights["score"]) == pytest.approx((50 + 0) / 2)
    assert statistics.score(units, weights["row_accuracy"]) == pytest.approx(60)


@pytest.mark.parametrize(("choices", "answer"), [(("a", "b"), "(C)"), ((), "far"), ((), "0")])
def test_a_gold_answer_that_cannot_be_one_is_named(choices: tuple[str, ...], answer: str) -> None:
    with pytest.raises(UserError, match=r"row 0: answer .* is not a"):
        CVBenchExtra().to_sample(row("a", choices=choices, answer=answer), 0)


def test_the_component_of_a_3d_row_is_in_its_file_name() -> None:
    plain = {**row("a"), "type": "3D"}
    for name, component in (
        ("img/3D/depth/omni3d_hypersim_4.jpg", "hypersim"),
        ("img/3D/distance/omni3d_sunrgbd_119.png", "sunrgbd"),
        ("img/3D/depth/omni3d_nuscenes_0.jpg", "nuscenes"),
    ):
        made = CVBench3D().to_sample({**plain, "filename": name}, 0)
        assert made is not None and made.tags["component"] == component
    made = CVBench3D().to_sample(plain, 0)
    assert made is not None and "component" not in made.tags
