"""`hf:` on tiny checkpoints of real architectures: a batch answers like single requests, whatever it is made of."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval import Request, Response, UserError, run
from cambrian_eval.image import LazyImage
from cambrian_eval.models.transformers_vlm.model import TransformersModel
from cambrian_eval.registry import resolve
from cambrian_eval.running.records import Cell
from tests.conftest import png
from tests.models.tiny_vlms import BUILDERS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All tiny checkpoints, built once."""
    import transformers

    transformers.logging.set_verbosity_error()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("shelf")
    for name, build in BUILDERS.items():
        build(folder / name)
    yield folder
    torch.set_num_threads(threads)


def request(i: int, images: int, prompt: str | None = None, limit: int = 8) -> Request:
    shown = tuple(
        LazyImage.of(png(i * 10 + k, (40 + 7 * i, 30 + 5 * k))).decoded()  # type: ignore[union-attr]
        for k in range(images)
    )
    text = prompt if prompt is not None else f"question number {i} " * (i + 1)
    return Request(f"{i}-{images}-{limit}", "docvqa", "on", text, shown, 0, limit, "key")


def load(folder: Path, **options: Any) -> TransformersModel:
    model = resolve(f"hf:{folder}", options)
    assert isinstance(model, TransformersModel)
    return model


def plain(model: TransformersModel, content: Any, images: list[Any], limit: int = 8) -> tuple[list[int], str, int]:
    """An independent path: a chat in the processor's template, or ready text, and a bare generate call.

    Returns the new tokens, their text, and the length of the prompt.
    """
    processor = model.checkpoint.processor
    text = content
    if not isinstance(content, str):
        chat = [{"role": "user", "content": content}]
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    special = not text.startswith(processor.tokenizer.bos_token or "\0")
    inputs = processor(text=text, images=images, return_tensors="pt", add_special_tokens=special)
    inputs.pop("labels", None)
    length = inputs["input_ids"].shape[1]
    new = model.checkpoint.model.generate(**inputs, max_new_tokens=limit, do_sample=False)[0, length:]
    return new.tolist(), processor.tokenizer.decode(new, skip_special_tokens=True).strip(), length


def answers(model: TransformersModel, requests: list[Request]) -> dict[str, Response]:
    found = list(model.respond(iter(requests)))
    assert sorted(r.id for r in found) == sorted(r.id for r in requests)
    return {r.id: r for r in found}


@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "paligemma"])
def test_a_batch_answers_like_single_requests(shelf: Path, name: str) -> None:
    """Text alone, one image, two images, long and short, in one stream; `test_architectures` has all architectures."""
    requests = [request(i, n) for i in range(3) for n in (0, 1, 2)] + [request(1, 1, limit=3)]
    together = answers(load(shelf / name, batch_size=4), requests)
    alone = answers(load(shelf / name, batch_size=1), requests)
    assert not [r.error for r in alone.values() if r.finish == "failed"]
    assert {k: r.text for k, r in together.items()} == {k: r.text for k, r in alone.items()}
    counts = [{k: (r.prompt_tokens, r.new_tokens, r.finish) for k, r in x.items()} for x in (together, alone)]
    assert counts[0] == counts[1]
    assert len({r.text for r in alone.values()}) > len(alone) // 2, "the answers tell the requests apart"


@pytest.mark.parametrize("name", BUILDERS)
def test_the_image_comes_before_the_text(shelf: Path, name: str) -> None:
    model = load(shelf / name, batch_size=1)
    asked = request(0, 1, "which?")
    content: Any = [{"type": "image"}, {"type": "text", "text": "which?"}]
    if model.checkpoint.processor.chat_template is None:
        content = f"{model.checkpoint.processor.image_token}answer en which?"
    _, text, length = plain(model, content, [asked.images[0].load()])
    found = answers(model, [asked])[asked.id]
    assert (found.text, found.prompt_tokens) == (text, length)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "llava"])
def test_images_stand_at_the_marks_of_the_prompt(shelf: Path, name: str) -> None:
    model = load(shelf / name, batch_size=1)
    asked = replace(request(0, 2, "is <image 2> like <image 1>?"), places_images=True)
    texts = [{"type": "text", "text": text} for text in ("is ", " like ", "?")]
    content = [texts[0], {"type": "image"}, texts[1], {"type": "image"}, texts[2]]
    _, text, length = plain(model, content, [asked.images[1].load(), asked.images[0].load()])
    found = answers(model, [asked])[asked.id]
    assert (found.text, found.prompt_tokens) == (text, length)


def test_answers_equal_those_of_plain_transformers(shelf: Path) -> None:
    """An independent path: the processor's own tokenized chat template and a bare generate call."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = shelf / "llava"
    asked = request(2, 1)
    processor = AutoProcessor.from_pretrained(folder)
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked.prompt}]}]
    inputs = processor(
        text=processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False),
        images=asked.images[0].load(),
        return_tensors="pt",
        add_special_tokens=False,
    )
    out = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(out, skip_special_tokens=True).strip()
    assert answers(load(folder), [asked])[asked.id].text == expected
    assert answers(load(folder), [asked])[asked.id].prompt_tokens == inputs["input_ids"].shape[1]


def test_an_answer_that_ends_is_told_from_one_that_is_cut(shelf: Path, tmp_path: Path) -> None:
    model = load(shelf / "llava", batch_size=2)
    asked = request(0, 1)
    cut = answers(model, [asked, request(1, 1)])
    assert {r.finish for r in cut.values()} == {"length"} and {r.new_tokens for r in cut.values()} == {8}
    content = [{"type": "image"}, {"type": "text", "text": asked.prompt}]
    tokens, _, _ = plain(model, content, [asked.images[0].load()])
    folder = tmp_path / "stops"
    shutil.copytree(shelf / "llava", folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [tokens[2]]}))
    ended = answers(load(folder, batch_size=2), [asked])[asked.id]
    assert ended.finish == "stop" and ended.new_tokens == 1 + tokens.index(tokens[2])


def test_an_image_mark_in_the_text_does_not_stand_for_an_image(shelf: Path) -> None:
    found = answers(load(shelf / "llava"), [request(0, 1, "look <image> here"), request(1, 0, "<image>?")])
    assert {r.finish for r in found.values()} == {"length"}
    assert all(r.notes["image_marks_removed"] == 1 for r in found.values())


def test_a_request_that_breaks_does_not_break_its_batch(shelf: Path) -> None:
    """Qwen's processor refuses images more than 200 times as wide as high."""
    model = load(shelf / "qwen2_5_vl", batch_size=4)
    good = [request(i, 1) for i in range(3)]
    strip = LazyImage.of(png(7, (804, 4))).decoded()  # type: ignore[union-attr]
    found = answers(model, [*good, replace(good[0], id="strip", images=(strip,))])
    assert found["strip"].finish == "failed" and "aspect ratio" in (found["strip"].error or "")
    whole = answers(model, good)
    assert all(found[k].text == whole[k].text for k in whole)


def test_a_batch_that_does_not_fit_is_halved_until_it_does(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(shelf / "llava", batch_size=8)
    whole = answers(model, [request(i, 1) for i in range(6)])
    sizes: list[int] = []
    generate = model.checkpoint.model.generate

    def small(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("out of memory on purpose")
        return generate(**inputs)

    monkeypatch.setattr(model.checkpoint.model, "generate", small)
    found = answers(model, [request(i, 1) for i in range(6)])
    assert {k: r.text for k, r in found.items()} == {k: r.text for k, r in whole.items()}
    assert max(sizes) == 6 and sizes[-1] <= 2


def test_requests_are_pulled_as_batches_need_them(shelf: Path) -> None:
    pulled = 0

    def source() -> Iterator[Request]:
        nonlocal pulled
        for i in range(200):
            pulled += 1
            yield Request(str(i), "docvqa", "on", "q", (), 0, 2, "k")

    stream = iter(load(shelf / "llava", batch_size=2).respond(source()))
    next(stream)
    assert pulled <= 16


def test_the_fingerprint_follows_weights_template_and_dtype_and_not_the_place(shelf: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(shelf / "llava", moved)
    first = load(shelf / "llava").fingerprint
    assert load(moved).fingerprint == first
    template = tmp_path / "other.jinja"
    template.write_text("{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
                        "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} A:")  # fmt: skip
    marks = {
        first,
        load(moved, template=str(template)).fingerprint,
        load(moved, dtype="bfloat16").fingerprint,
        load(shelf / "llava_next").fingerprint,
    }
    (moved / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.3}))
    assert len(marks | {load(moved).fingerprint}) == 5


def test_what_cannot_be_is_one_clear_line(shelf: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = tmp_path / "bare"
    shutil.copytree(shelf / "llava", bare)
    (bare / "chat_template.jinja").unlink()
    pickled = tmp_path / "pickled"
    shutil.copytree(shelf / "llava", pickled, ignore=shutil.ignore_patterns("*.safetensors"))
    broken = tmp_path / "broken.jinja"
    broken.write_text("{% for m in %}")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("", {}, "no checkpoint named"),
        (str(empty), {}, "config.json"),
        (str(tmp_path / "absent"), {}, "does not exist"),
        (str(bare), {}, "--template"),
        (str(pickled), {}, "--allow-pickle"),
        (str(shelf / "llava"), {"dtype": "int4"}, "option dtype must be one of float32"),
        (str(shelf / "llava"), {"batch_size": "many"}, "option batch_size must be auto or"),
        (str(shelf / "llava"), {"device": "cuda:99"}, "option device: cuda:99"),
        (str(shelf / "llava"), {"device": "abacus"}, "option device: 'abacus'"),
        (str(shelf / "llava"), {"quantize": "3bit"}, "option quantize must be one of 4bit, 8bit"),
        (str(shelf / "llava"), {"base_url": "http://x/v1"}, "no option 'base_url'"),
        (str(shelf / "llava"), {"template": str(tmp_path / "no.jinja")}, "--template"),
        (str(shelf / "llava"), {"template": str(broken)}, "--template"),
    ]
    for spec, options, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            resolve(f"hf:{spec}", options)
        assert "\n" not in str(caught.value)


def test_pickled_weights_are_read_when_allowed(shelf: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "pickled"
    shutil.copytree(shelf / "llava", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(load_file(shelf / "llava" / "model.safetensors"), folder / "pytorch_model.bin")
    asked = request(0, 1)
    found = answers(load(folder, allow_pickle=True), [asked])[asked.id]
    assert found.text == answers(load(shelf / "llava"), [asked])[asked.id].text


def test_a_whole_run_through_the_harness_and_its_resumption(shelf: Path, docvqa_root: Path, tmp_path: Path) -> None:
    def go(limit: int | None = None, out: str = "run") -> Any:
        spec = f"hf:{shelf / 'idefics3'}"
        return run(
            spec,
            ["docvqa"],
            tmp_path / out,
            data_root=docvqa_root,
            vision=("on", "off"),
            limit=10,
            max_new_tokens=4,
            options={"batch_size": "4"},
        )

    done = go()
    assert done.n == 20 and done.n_failed == 0
    stored = done.run.stored.responses(Cell("docvqa", "on"))
    off = done.run.stored.responses(Cell("docvqa", "off"))
    assert all(stored[k].prompt_tokens > off[k].prompt_tokens for k in stored)  # type: ignore[operator]
    info = done.run.info["model"]
    assert info["details"]["kind"].endswith("Idefics3ForConditionalGeneration") and info["name"] == "idefics3"
    assert go().n == 20


def test_a_template_of_the_tokenizer_that_takes_plain_text(shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(shelf / "llava", folder)
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = "{% for m in messages %}USER: {{ m['content'] }} ASSISTANT:{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    model = load(folder)
    asked = request(0, 2, "why?")
    text = "USER: <image>\n<image>\nwhy? ASSISTANT:"
    _, expected, length = plain(model, text, [i.load() for i in asked.images])
    found = answers(model, [asked])[asked.id]
    assert (found.text, found.prompt_tokens) == (expected, length)
    assert {r.finish for r in answers(model, [request(0, 1), request(1, 0)]).values()} == {"length"}
