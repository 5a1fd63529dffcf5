"""`hf:`: questions about the same images share the work on them, and nobody can tell from the responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval import Request
from cambrian_eval.image import LazyImage
from cambrian_eval.registry import resolve
from tests.command import call, refused
from tests.conftest import png
from tests.models.tiny_vlms import gemma3, llava, qwen3_vl

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("shared")
    for build in (llava, qwen3_vl, gemma3):
        build(folder / build.__name__)
    yield folder
    torch.set_num_threads(threads)


def questions() -> list[Request]:
    """Seven about one image, two about another, one about two images, one without; in mixed order."""

    def image(seed: int) -> LazyImage:
        made = LazyImage.of(png(seed, (40 + 5 * seed, 60 - 3 * seed)))
        assert made is not None
        return made.decoded()

    shown = [(image(1),)] * 7 + [(image(2),)] * 2 + [(image(1), image(3)), ()]
    asked = [
        Request(str(i), "gqa", "on", f"question {i} " + "and more " * (i % 4), images, 0, 6, "k")
        for i, images in enumerate(shown)
    ]
    return asked[::2] + asked[1::2]


def texts(model: Any, asked: list[Request]) -> dict[str, tuple[str, str, int | None]]:
    return {r.id: (r.text, r.finish, r.prompt_tokens) for r in model.respond(iter(asked))}


@pytest.mark.parametrize(
    ("name", "options"),
    [("qwen3_vl", {}), ("gemma3", {}), ("llava", {}), ("llava", {"batch_size": 3}), ("llava", {"deterministic": True})],
)
def test_responses_are_those_of_the_plain_way(shelf: Path, name: str, options: dict[str, Any]) -> None:
    asked = questions()
    shared = resolve(f"hf:{shelf / name}", options)
    plain = resolve(f"hf:{shelf / name}", {"batch_size": 1, "vision_cache_gb": 0})
    is_partial = name == "gemma3" or "deterministic" in options
    expected = "vision features" if is_partial else "vision features and beginning of the prompt"
    assert shared.describe()["shared_images"] == expected
    assert plain.describe()["shared_images"] == "off: vision_cache_gb is 0"
    assert shared.fingerprint == plain.fingerprint
    found = texts(shared, asked)
    assert found == texts(plain, asked)
    assert {finish for _, finish, _ in found.values()} <= {"stop", "length"}


def test_images_in_the_text_are_those_of_the_plain_way(shelf: Path) -> None:
    """The same two images in both orders, one of them twice, behind texts that differ and texts that do not."""
    first, second = questions()[0].images[0], questions()[-1].images[0]
    prompts = [
        "Is <image 1> like <image 2>?",
        "Is <image 2> like <image 1>?",
        "See <image 2>. And <image 1>, <image 2>?",
    ]
    prompts += [f"Is <image 1> like <image 2> in {word}?" for word in ("color", "size", "form")]
    asked = [
        Request(str(i), "mmmu", "on", prompt, (first, second), 0, 6, "k", places_images=True)
        for i, prompt in enumerate(prompts)
    ]
    for name in ("qwen3_vl", "llava"):
        shared = resolve(f"hf:{shelf / name}", {})
        plain = resolve(f"hf:{shelf / name}", {"batch_size": 1, "vision_cache_gb": 0})
        found = texts(shared, asked)
        assert found == texts(plain, asked)
        assert len({tokens for _, _, tokens in found.values()}) > 1


def test_inspect_says_what_is_shared(shelf: Path) -> None:
    for name, shared in (("qwen3_vl", "vision features and beginning of the prompt"), ("gemma3", "vision features")):
        shown = call("inspect", str(shelf / name))
        assert shown.returncode == 0 and re.search(rf"shared images +{shared}\n", shown.stdout)
        found = json.loads(call("inspect", f"hf:{shelf / name}", "--json").stdout)
        assert (found["model_type"], found["shared_images"], found["batch_equals_single"]) == (name, shared, True)
    assert "chance is not one" in refused("inspect", "chance")
    assert "cambrian-eval fetch --model hf:nobody/nothing" in refused("inspect", "hf:nobody/nothing")


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    calls: list[int] = []
    real = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_an_image_is_encoded_once_for_all_its_questions(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = resolve(f"hf:{shelf / 'llava'}", {"batch_size": 3})
    calls = count_calls(monkeypatch, model.checkpoint.model.base_model.vision_tower, "forward")
    texts(model, questions())
    assert len(calls) == 3, "two images alone, and a pair"
    texts(model, questions())
    assert len(calls) == 3, "kept for later questions"


def test_little_memory_forgets_images_and_changes_no_response(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = resolve(f"hf:{shelf / 'llava'}", {"batch_size": 2, "vision_cache_gb": 1e-9})
    calls = count_calls(monkeypatch, model.checkpoint.model.base_model.vision_tower, "forward")
    asked = questions()
    found = [texts(model, asked) for _ in range(2)]
    assert found[0] == found[1] == texts(resolve(f"hf:{shelf / 'llava'}", {"vision_cache_gb": 0}), asked)
    assert len(calls) > 6


def test_another_system_prompt_does_not_meet_the_beginning_of_an_earlier_one(shelf: Path, tmp_path: Path) -> None:
    template = tmp_path / "with_system.jinja"
    template.write_text(
        "{% for m in messages %}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}{% else %}"
        "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}"
        "{% endfor %}{% endif %}{% endfor %}"
    )
    options = {"template": str(template)}
    shared = resolve(f"hf:{shelf / 'llava'}", options)
    plain = resolve(f"hf:{shelf / 'llava'}", options | {"vision_cache_gb": 0})
    for system in ("Be brief.", "You are a pirate who answers at length."):
        asked = [replace(request, system=system) for request in questions()]
        assert texts(shared, asked) == texts(plain, asked)


def test_a_checkpoint_that_gives_other_logits_is_not_shared(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison after loading, with an architecture whose table row would be wrong."""
    from cambrian_eval.models.transformers_vlm import shared_images as module

    monkeypatch.setattr(module, "sharing_of", lambda model_class, config: "prompt")
    model = resolve(f"hf:{shelf / 'gemma3'}", {"batch_size": 4})
    assert model.describe()["shared_images"].startswith("off: the logits of the self-check differ")
    plain = resolve(f"hf:{shelf / 'gemma3'}", {"batch_size": 4, "vision_cache_gb": 0})
    assert texts(model, questions()) == texts(plain, questions())
