"""`bias --lm`: a tiny language model with random weights learns from the training rows alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.bias.language_model import Training, language_model
from cambrian_eval.results.bias.measure import out_of_fold
from cambrian_eval.results.bias.texts import Texts
from cambrian_eval.sample import Sample
from tests.command import call
from tests.models.tiny_vlms import TEXT, tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder, words = tmp_path_factory.mktemp("lm"), tokenizer()
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **TEXT)).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def lettered(letters: str) -> list[Sample]:
    words = ("up", "down", "left", "right")
    return [
        Sample(str(i), i, "Where?", (a,), words, guesses=tuple("ABCD"), image_id=str(i)) for i, a in enumerate(letters)
    ]


def test_it_learns_in_each_fold_from_the_others_alone(tiny: Path) -> None:
    lm = language_model(f"hf:{tiny}", training=Training(epochs=8, rate=1e-2))
    biased = Texts(load_benchmark("seed"), lettered("CCC" * 8))
    assert out_of_fold(lm, biased, np.arange(24), 2, 0).mean() == 1.0
    # learned from C alone, it answers C; so rows with another answer get nothing, and none is told its own
    texts = Texts(load_benchmark("seed"), lettered("C" * 16 + "A" * 4))
    found = lm.closed(texts, np.arange(16), np.arange(16, 20)).reshape(4, 4)
    assert found.argmax(axis=1).tolist() == [2] * 4
    again = lm.closed(texts, np.arange(16), np.arange(16, 20)).reshape(4, 4)
    assert np.array_equal(found, again)  # the adapter of one fold is gone before the next
    assert lm.settings["epochs"] == 8 and lm.tier == 2


def test_likelihoods_do_not_depend_on_the_batch(tiny: Path) -> None:
    samples = [Sample(str(i), i, "Where? " * (i + 1), ("A",), ("up", "down"), guesses=("A", "B")) for i in range(5)]
    texts, rows = Texts(load_benchmark("seed"), samples), np.arange(5)
    one, all_ = (
        language_model(f"hf:{tiny}", training=Training(epochs=0, batch=n)).closed(texts, rows, rows) for n in (1, 10)
    )
    assert np.allclose(one, all_, atol=1e-4)


def test_free_answers_are_written(tiny: Path) -> None:
    samples = [Sample(str(i), i, "q", ("yes",), image_id=str(i)) for i in range(16)]
    lm = language_model(f"hf:{tiny}", training=Training(epochs=30, rate=2e-2))
    found = lm.free(Texts(load_benchmark("gqa"), samples), np.arange(12), np.arange(12, 16))
    assert all(text.startswith("yes") for text in found)


def test_command_and_recipe(tiny: Path, tmp_path: Path) -> None:
    words = ("mmvp", "--data", "mini:20", "--folds", 2, "--margin", 60, "--lm", f"hf:{tiny}", "--json")
    done = call("bias", *words, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    accuracies = json.loads(done.stdout)["benchmarks"][0]["accuracies"]
    assert accuracies[-1]["predictor"] == f"hf:{tiny}" and accuracies[-1]["accuracy"] == 50.0
    recipe = json.loads((tmp_path / "debiased.json").read_text())["recipe"]
    assert recipe["further"][f"hf:{tiny}"]["rank"] == 8
    (tmp_path / "config.json").write_text('{"model_type": "clip_vision_model"}')
    with pytest.raises(UserError, match="is not a language model"):
        language_model(f"hf:{tmp_path}")


def test_wrong_names() -> None:
    with pytest.raises(UserError, match=r"--lm gpt: name a language model as hf:HUB_ID or hf:FOLDER"):
        language_model("gpt")
    with pytest.raises(UserError, match=r"model folder ./none does not exist"):
        language_model("hf:./none")
