"""`seeing`: the model against integrals and known parameters, and what the command writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from cambrian_eval import run
from cambrian_eval.results import seeing_model
from cambrian_eval.results.seeing_estimates import estimate, estimate_alone, parts
from cambrian_eval.results.subsets import read
from tests.command import call
from tests.conftest import Scripted

FOUR = ("on", "off", "no_question", "nothing")


def sigmoid(x):  # type: ignore[no-untyped-def]
    return 1 / (1 + np.exp(-x))


def test_the_mean_of_a_sigmoid_is_its_integral() -> None:
    def density(x: float, mean: float, deviation: float) -> float:
        return float(sigmoid(mean + x * deviation)) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    for mean, variance in ((0.0, 1.0), (1.5, 0.4), (-2.0, 2.5)):
        exact, _ = quad(density, -9, 9, (mean, math.sqrt(variance)))
        found = seeing_model.expected_sigmoid(np.array(mean), np.array(variance))
        assert float(found) == pytest.approx(exact, abs=2e-4)


def test_the_parts_of_a_condition_add_up() -> None:
    """On shows all four parts, off the options and the question, no_question the options and the image."""
    c = parts(FOUR)
    logits = np.array([2.0, 0.5, -0.25, -1.0])
    value = {name: float(contrast @ logits) for name, contrast in c.items()}
    assert value["options"] == -1.0
    assert value["options"] + value["text"] == 0.5
    assert value["options"] + value["image"] == -0.25
    assert value["options"] + value["text"] + value["image"] + value["cross"] == 2.0
    assert value["seeing"] == value["image"] + value["cross"] == 1.5


def drawn(rng, n_models: int, n_samples: int, chance: float):  # type: ignore[no-untyped-def]
    """Verdicts under on and off from known abilities; half of the samples need their image."""
    a = np.stack([np.linspace(-1, 1, n_models), np.linspace(-0.5, 0.5, n_models)[::-1]], axis=1)
    needs = np.arange(n_samples) % 2 == 0
    b = np.stack([np.full(n_samples, 1.5), np.where(needs, -3.0, 1.5)], axis=1)
    known = rng.random((n_models, n_samples, 2)) < sigmoid(a[:, None] + b[None])
    return a, needs, np.where(known, 1.0, (rng.random(known.shape) < chance).astype(float))


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_known_parameters_are_found(chance: float) -> None:
    a, needs, verdicts = drawn(np.random.default_rng(3), 8, 160, chance)
    verdicts[0, :20, 1] = np.nan
    floor = np.full(160, chance)
    found = estimate(verdicts, floor, list(range(160)), ("on", "off"))
    once, again = (seeing_model.fit(verdicts, floor) for _ in range(2))
    assert (once.models.mean == again.models.mean).all() and (once.items.cov == again.items.cov).all()
    assert found.needed[needs].mean() > 0.6 and found.needed[~needs].mean() < 0.3
    assert found.converged and not found.misfits
    inside = 0
    for m, mine in enumerate(found.abilities):
        true = a[m, 0] - a[m, 1]
        low, high = mine["seeing"].low, mine["seeing"].high
        assert low is not None and high is not None and high - low < 3
        inside += low <= true <= high
    assert inside >= 7
    assert found.visual is not None and 0.5 < found.visual.value < 1  # 0.98 / (0.98 + 0.11) without noise


def test_abilities_have_no_narrow_interval_without_information() -> None:
    """Nobody knows anything without the image: abilities there are unknown, not equal."""
    _, _, verdicts = drawn(np.random.default_rng(0), 4, 60, 0.0)
    verdicts[..., 1] = 0.0
    found = estimate(verdicts, np.zeros(60), list(range(60)), ("on", "off"))
    for mine in found.abilities:
        assert mine["text"].high - mine["text"].low > 2  # type: ignore[operator]
    assert found.visual is None


def test_one_model_by_hand() -> None:
    """Without guesses the verdicts are what is known: 3 of 8 samples are right with the image alone."""
    verdicts = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [0, 1], [0, 0], [0, 0]], float)
    found = estimate_alone(verdicts, np.zeros(8), list(range(8)))
    assert found.needed == pytest.approx(verdicts[:, 0] * (1 - verdicts[:, 1]), abs=0.01)
    assert found.needed_share.value == pytest.approx(3 / 8, abs=0.01)
    assert found.visual is None and not found.abilities


def test_one_model_that_guesses_needs_no_image() -> None:
    """Right on half of two-way questions, whatever it is shown, in all four patterns alike."""
    verdicts = np.array([[1, 0], [1, 1], [0, 1], [0, 0]] * 25, float)
    found = estimate_alone(verdicts, np.full(100, 0.5), list(range(100)))
    assert found.needed_share.value < 0.05


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Six models on 24 samples: the first eight samples are known always, eight only with the image, the rest never."""
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.registry import load_benchmark

    samples = load_samples(load_benchmark("ai2d"), DataSpec(mini=24)).samples
    golds = {s.id: s.answers[0] for s in samples}
    places = {s.id: i for i, s in enumerate(samples)}
    paths = []
    for m in range(6):

        def answer(request, m: int = m) -> str:  # type: ignore[no-untyped-def]
            i = places[request.id]
            known = i < 8 or (i < 16 and request.condition == "on")
            if (i * 7 + m * 5) % 11 == 0:  # a few exceptions, other ones in each model
                known = not known
            return golds[request.id] if known else "none of these"

        model = Scripted(answer)
        model.name = f"a model with a rather long name that ends with {m}"
        paths.append(tmp_path / f"run{m}")
        run(model, ["ai2d"], paths[-1], data="mini:24", vision=("on", "off"))
    return paths


@pytest.mark.slow
def test_the_command(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "subsets"
    done = call("seeing", *runs, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "ai2d (synthetic)" in done.stdout and "synthetic data: this says nothing" in done.stdout
    table = done.stdout.partition("\nnote")[0]
    assert max(map(len, table.splitlines())) <= 80, table
    chosen = read(str(out / "needs-vision.json"))
    samples = [line["id"] for line in map(json.loads, (runs[0] / "samples/ai2d.jsonl").read_text().splitlines())]
    assert set(chosen.ids["ai2d"]) == set(samples[8:16]) and chosen.of == {"ai2d": 24}
    labels = json.loads((out / "seeing.json").read_text())["ai2d"]
    assert list(labels["samples"]) == samples and labels["conditions"] == ["on", "off"]
    assert min(labels["samples"][i]["needs_image"] for i in samples[8:16]) > 0.5
    body = json.loads(call("seeing", *runs, "--out", out, "--json").stdout)
    assert body["benchmarks"]["ai2d"]["in_subset"] == 8 and len(body["benchmarks"]["ai2d"]["models"]) == 6
    drawing = call("plot", "seeing", *runs, "--out", tmp_path / "figures", "--format", "svg")
    assert drawing.returncode == 0, drawing.stderr
    assert "AI2D: 3" in drawing.stdout and (tmp_path / "figures/seeing.svg").is_file()
    few = call("seeing", *runs[:2], "--out", out)
    assert "visual information needs at least 5 models" in few.stdout
    alone = call("seeing", runs[0], "--out", out)
    assert "one model, so a simpler estimate" in alone.stdout


def test_bad_requests_are_one_line(runs: list[Path], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    for words, said in (
        (("--scorer", "judge"), "has no 'judge' verdicts for ai2d.on"),
        (("--benchmark", "mme"), "no run has mme; the runs have: ai2d"),
        (("--at-least", "2"), "--at-least"),
    ):
        done = call("seeing", runs[0], *words, *out)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    run(Scripted(lambda request: "A"), ["ai2d"], tmp_path / "on", data="mini:6", vision=("on",))
    done = call("seeing", tmp_path / "on", *out)
    assert done.returncode == 2 and "with vision on and off" in done.stderr
    assert not (tmp_path / "out").exists()
