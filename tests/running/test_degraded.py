"""Conditions that take something away: their pixels against formulas of their own, their names, what is left out."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cambrian_eval import run
from cambrian_eval.condition import Context, graded_samples
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.registry import load_benchmark, load_condition
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Sample
from tests.command import call
from tests.conftest import Scripted

GREY = 127


def picture(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def shown(condition: str, pixels: np.ndarray, seed: int = 0, name: str = "i") -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    sample = Sample("s", 0, "?", images=(LazyImage.of(buffer.getvalue()),), image_id=name)  # type: ignore[arg-type]
    (image,) = load_condition(condition).apply(sample, Context([sample], seed))
    return np.asarray(image.load())


@pytest.mark.parametrize("condition", ["blur:0", "downscale:1", "crop:1", "occlude:0", "patches:1"])
def test_the_unchanged_amount_changes_nothing(condition: str) -> None:
    assert (shown(condition, picture()) == picture()).all()
    dose = load_condition(condition)
    assert dose.amount == dose.unchanged  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "condition", ["blur:2", "downscale:4", "crop:0.5", "occlude:0.5", "patches:4", "grey", "mirror"]
)
def test_equal_inputs_give_equal_bytes_in_the_same_size(condition: str) -> None:
    first = shown(condition, picture())
    assert (first == shown(condition, picture())).all() and first.shape == picture().shape
    assert not (first == picture()).all()


def test_blur_spreads_a_dot_like_a_gaussian() -> None:
    dot = np.zeros((81, 81, 3), dtype=np.uint8)
    dot[30:51, 30:51] = 255
    out = shown("blur:4", dot)[:, :, 0].astype(float)
    rows = np.arange(81) - 40
    kernel = np.exp(-(np.arange(-30, 31) ** 2) / (2 * 4.0**2))
    exact = np.convolve((np.abs(rows) <= 10) * 1.0, kernel / kernel.sum(), mode="same")
    assert np.abs(out - 255 * np.outer(exact, exact)).max() < 12  # Pillow approximates the kernel by boxes


def test_downscale_has_one_color_per_block_before_it_is_enlarged() -> None:
    blocks = np.kron(picture(8, 6), np.ones((8, 8, 1), dtype=np.uint8))
    out = shown("downscale:8", blocks)
    means = out.reshape(6, 8, 8, 8, 3).mean(axis=(1, 3))
    assert np.corrcoef(means.ravel(), picture(8, 6).ravel())[0, 1] > 0.95
    fine = np.zeros((48, 64, 3), dtype=np.uint8)
    fine[:, ::2] = 255
    assert np.abs(shown("downscale:8", fine).astype(int) - 127).max() <= 2


def test_crop_keeps_the_center_and_covers_the_rest() -> None:
    out = shown("crop:0.5", picture())
    assert (out[12:36, 16:48] == picture()[12:36, 16:48]).all()
    out = out.copy()
    out[12:36, 16:48] = GREY
    assert (out == GREY).all()


@given(share=st.floats(0, 1), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_occlude_covers_whole_cells_and_more_of_them_with_the_share(share: float, seed: int) -> None:
    pixels = np.full((160, 160, 3), 9, dtype=np.uint8)
    out = shown(f"occlude:{share!r}", pixels, seed)
    cells = out.reshape(16, 10, 16, 10, 3)
    covered = (cells == GREY).all(axis=(1, 3, 4))
    assert (covered | (cells == 9).all(axis=(1, 3, 4))).all()
    assert covered.sum() == round(float(f"{share:g}") * 256) or abs(covered.sum() - share * 256) <= 1
    less = shown(f"occlude:{share / 2!r}", pixels, seed).reshape(16, 10, 16, 10, 3)
    assert (covered | ~(less == GREY).all(axis=(1, 3, 4))).all()


@pytest.mark.parametrize(("width", "height", "n"), [(64, 48, 4), (60, 45, 3), (8, 8, 8)])
def test_patches_are_a_permutation_of_tiles(width: int, height: int, n: int) -> None:
    pixels = picture(width, height)
    out = shown(f"patches:{n}", pixels)

    def tiles(array: np.ndarray) -> list[bytes]:
        h, w = height // n, width // n
        return [array[r * h : r * h + h, c * w : c * w + w].tobytes() for r in range(n) for c in range(n)]

    assert sorted(tiles(out)) == sorted(tiles(pixels)) and tiles(out) != tiles(pixels)


def test_other_images_and_seeds_get_other_patches() -> None:
    outs = [shown("patches:4", picture(), seed, name).tobytes() for seed in (0, 1) for name in ("a", "b")]
    assert len(set(outs)) == 4


def test_grey_and_mirror() -> None:
    red, green, blue = (picture()[:, :, i].astype(float) for i in range(3))
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    out = shown("grey", picture())
    assert (np.abs(out - luminance[:, :, None]) <= 1).all()
    assert (shown("mirror", picture()) == picture()[:, ::-1]).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blur", "needs an amount, as in blur:N"),
        ("blur:x", "condition blur:x is not known; the amount is the standard deviation"),
        ("blur:-1", "at least 0"),
        ("blur:nan", "at least 0"),
        ("crop:0", "above 0 and at most 1"),
        ("crop:1.5", "above 0 and at most 1"),
        ("patches:2.5", "whole number"),
        ("on:2", "on:2"),
    ],
)
def test_a_wrong_amount_is_one_line(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_condition(name)


def relation(question: str, choices: tuple[str, ...], answer: str, group: str | None = None) -> Sample:
    return Sample(question, 0, question, answers=(answer,), choices=choices, group=group)


def test_mirrored_answers_of_cvbench_relations() -> None:
    benchmark = load_benchmark("cvbench_2d")
    side = relation("Where is the cup relative to the plate?", ("left", "right"), "A")
    above = relation("Where is the lamp relative to the desk?", ("above", "below"), "B")
    named = relation("Is the cup to the left of the plate, or where?", ("left", "right"), "A")
    found = graded_samples(load_condition("mirror"), [side, above, named], benchmark)
    assert [(s.question, s.answers) for s in found] == [(side.question, ("B",)), (above.question, ("B",))]


def test_mirrored_answers_of_whole_sentences_and_other_directions() -> None:
    """EmbSpatial exchanges sides in its sentences; others leave out what names a direction, in Chinese too."""
    sentences = tuple(f"The cup is {where} the pot." for where in ("left of", "above", "right of", "under"))
    asked = [relation("How are they related?", sentences, "A"), relation("How are they?", sentences, "B")]
    found = graded_samples(load_condition("mirror"), asked, load_benchmark("embspatial"))
    assert [s.answers for s in found] == [("C",), ("B",)]
    for benchmark, question in (("mmsi_bench", "Is it northeast of the door?"), ("mmbench_cn", "猫在狗的左边吗？")):
        assert load_benchmark(benchmark).mirrored(relation(question, ("x", "y"), "A")) is None
        assert load_benchmark(benchmark).mirrored(relation("猫?", ("x", "y"), "A")) is not None


def test_a_benchmark_that_cannot_tell_leaves_sides_and_their_groups_out() -> None:
    samples = [
        relation("Is the dog facing left?", ("yes", "no"), "A", "pair 1"),
        relation("Is the dog brown?", ("yes", "no"), "A", "pair 1"),
        relation("Is the cat brown?", ("yes", "no"), "A", "pair 2"),
    ]
    kept = graded_samples(load_condition("mirror"), samples, load_benchmark("mmvp"))
    assert kept == [samples[2]]


def test_a_run_under_doses_and_without_words(tmp_path: Path) -> None:
    """Conditions are named by their amounts, prompts lose the question alone, left-out samples are counted."""
    seen: dict[tuple[str, str], tuple[str, int]] = {}

    def answer(request) -> str:  # type: ignore[no-untyped-def]
        seen[request.condition, request.id] = (request.prompt, len(request.images))
        return "A"

    conditions = ("on", "off", "no_question", "nothing", "blur:2.0", "mirror")
    outcome = run(Scripted(answer), ["cvbench_2d"], tmp_path / "run", data="mini:24", vision=conditions)
    samples = {s.id: s for s in outcome.run.stored.samples("cvbench_2d")}
    for identity, sample in samples.items():
        whole, images = seen["on", identity]
        assert seen["blur:2", identity] == (whole, images) and images == 1
        short = whole.replace(sample.question, "", 1).strip()
        assert sample.question not in short and all(f") {c}" in short for c in sample.choices)
        assert seen["no_question", identity] == (short, 1) and seen["nothing", identity] == (short, 0)
    results = {r.condition: r for r in outcome.results if r.scorer == "fuzzy"}
    asked = [s for (condition, s) in seen if condition == "mirror"]
    left_out = len(samples) - len(asked)
    assert results["mirror"].n == len(asked)
    assert any(f"{left_out} samples are left out" in note for note in results["mirror"].notes) == (left_out > 0)
    assert results["on"].interval == results["blur:2"].interval
    verdicts = outcome.run.stored.verdicts(Cell("cvbench_2d", "mirror"), "fuzzy")
    for identity in asked:
        sample = samples[identity]
        sides = set(sample.choices) & {"left", "right"}
        gold = {"A": "B", "B": "A"}[sample.answers[0]] if sides == {"left", "right"} else sample.answers[0]
        assert verdicts[identity].value == float(gold == "A")


def test_a_prompt_that_lacks_the_question_fails_the_sample() -> None:
    sample = replace(relation("How many?", ("1", "2"), "A"), extra={})
    with pytest.raises(ValueError, match="does not hold the question"):
        load_condition("no_question").words("Choose.\n(A) 1\n(B) 2", sample)


def test_the_question_is_taken_out_where_the_prompt_leaves_out_its_image_marks() -> None:
    """MMMU's official prompt deletes `<image N>` from the question; the authors' prompt keeps it."""
    row = {"id": "validation_Art_1", "question": "See <image 1>.  Which style?", "options": "['old', '<image 2>']"}
    benchmark = load_benchmark("mmmu")
    sample = benchmark.to_sample({**row, "answer": "A", "question_type": "multiple-choice"}, 0)
    words = load_condition("no_question").words
    assert words(benchmark.prompt(sample), sample).startswith("Options:\nA. old\nB.")
    assert words(benchmark.prompt(sample, "authors"), sample).startswith("A. old\nB. <image 2>\n")


def test_a_condition_that_leaves_all_samples_out_does_not_stop_a_run_with_a_rule(tmp_path: Path) -> None:
    """3DSRBench asks about sides alone in its drawn rows, so none has a known answer in the mirror."""
    outcome = run(
        Scripted(lambda request: "A"),
        ["3dsrbench"],
        tmp_path / "run",
        data="mini:12",
        vision=("on", "mirror"),
        until=20,
    )
    found = {r.condition: r for r in outcome.results if r.scorer == "fuzzy"}
    assert found["mirror"].score is None and found["mirror"].n == 0
    assert any("12 samples are left out" in note for note in found["mirror"].notes)
    assert found["on"].score is not None


@pytest.mark.slow
def test_the_half_dose_is_where_a_known_model_loses_half(tmp_path: Path) -> None:
    """A model that sees up to a blur of 3 pixels on every image, and 60 % of the images at 6."""

    def answer(request) -> str:  # type: ignore[no-untyped-def]
        gold = golds[request.id]
        amount = {"on": 0.0, "blur:3": 3.0, "blur:6": 6.0}.get(request.condition)
        if amount is None:
            return "none of these"
        return gold if amount <= 3 or positions[request.id] % 5 == 0 else "none of these"

    from cambrian_eval.data.rows import DataSpec, load_samples

    samples = load_samples(load_benchmark("ai2d"), DataSpec(mini=40)).samples
    golds = {s.id: s.answers[0] for s in samples}
    positions = {s.id: i for i, s in enumerate(samples)}
    run(Scripted(answer), ["ai2d"], tmp_path / "run", data="mini:40", vision=("on", "off", "blur:3", "blur:6"))
    done = call("plot", "dose", tmp_path / "run", "--out", tmp_path / "out", "--format", "svg")
    assert done.returncode == 0, done.stderr
    # on and blur:3 score 100, off 0, blur:6 20: the line from (3, 100) to (6, 20) is at 50 for 3 + 3 * 50 / 80
    assert "half of the gain of sight is gone at blur 4.9 (95 % interval" in done.stdout
    assert pytest.approx(4.875) == 3 + 3 * 50 / 80
