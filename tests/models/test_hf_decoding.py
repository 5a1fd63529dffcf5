"""`hf:` decodes as it is told: draws without regard to batches, limits of thought and answer, template switches."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval import UserError, run
from cambrian_eval.decoding import Decoding, Thinking
from cambrian_eval.image import LazyImage
from cambrian_eval.model import honours
from cambrian_eval.models.sampling import choose, penalized, stream_of, uniforms
from cambrian_eval.models.transformers_vlm.model import TransformersModel
from cambrian_eval.registry import resolve
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Request, Response, request_id
from tests.command import call
from tests.conftest import png
from tests.models import tiny_vlms

pytestmark = pytest.mark.slow

SWITCH = "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("llava", "qwen2_5_vl"):
        tiny_vlms.BUILDERS[name](folder / name)
    _thinker(folder / "llava", folder / "thinker")
    yield folder
    torch.set_num_threads(threads)


def _thinker(source: Path, folder: Path) -> None:
    """A checkpoint whose next token follows from the last one alone: `<think>abc</think>Yes`, then the end.

    Its layers add next to nothing, the embeddings of these tokens are orthogonal, and the row of a token in the output
    matrix is the embedding of the one before.
    """
    from transformers import AutoTokenizer, LlavaForConditionalGeneration

    shutil.copytree(source, folder)
    words = AutoTokenizer.from_pretrained(folder)
    words.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    model = LlavaForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(len(words))
    newline = words.encode("\n", add_special_tokens=False)
    chain = [*newline, *words.encode("<think>abc</think>Yes</s>", add_special_tokens=False)]
    assert len(chain) == len(set(chain)) == 10
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")) and "language_model" in name:
                weight.mul_(1e-3)
        inside, out = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        out.zero_()
        for place, (token, following) in enumerate(pairwise(chain)):
            inside[token] = torch.eye(inside.shape[1])[place]
            out[following] = inside[token]
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    template = tiny_vlms.TEMPLATE.replace("IMAGE_MARK", "<image>")
    (folder / "chat_template.jinja").write_text(template.replace("assistant\n", "assistant\n" + SWITCH))


def load(folder: Path, **options: Any) -> TransformersModel:
    model = resolve(f"hf:{folder}", options)
    assert isinstance(model, TransformersModel)
    return model


def request(i: int, images: int = 0, limit: int = 8, **more: Any) -> Request:
    shown = tuple(LazyImage.of(png(i * 10 + k, (40 + 7 * i, 30))).decoded() for k in range(images))  # type: ignore[union-attr]
    return Request(f"{i}-{images}", "docvqa", "on", f"question {i} " * (i + 1), shown, 0, limit, f"key {i}", **more)


def answers(model: TransformersModel, requests: list[Request]) -> dict[str, Response]:
    found = {r.id: r for r in model.respond(iter(requests))}
    assert len(found) == len(requests) and not [r.error for r in found.values() if r.error]
    return found


WARM = Decoding(temperature=0.8, top_k=200, repetition_penalty=1.3, presence_penalty=0.2)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_draws_depend_on_no_batch_and_no_order(shelf: Path, name: str) -> None:
    one = [request(i, images=i % 3, decoding=WARM) for i in range(6)]
    asked = [dataclasses.replace(r, id=request_id(r.id, k), repeat=k) for r in one for k in range(3)]
    texts = {k: r.text for k, r in answers(load(shelf / name, batch_size=5), asked).items()}
    assert {k: r.text for k, r in answers(load(shelf / name, batch_size=2), asked[::-1]).items()} == texts
    assert {k: r.text for k, r in answers(load(shelf / name, batch_size=1), one).items()} == {
        r.id: texts[r.id] for r in one
    }
    assert len(set(texts.values())) == len(texts)


def test_draws_are_those_of_a_loop_over_the_network(shelf: Path) -> None:
    """Full forward passes without a cache, and the choice by its definition."""
    model = load(shelf / "llava", batch_size=4)
    asked = request(2, images=1, decoding=WARM)
    processor, network = model.checkpoint.processor, model.checkpoint.model
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked.prompt}]}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    inputs = dict(processor(text=text, images=[asked.images[0].load()], return_tensors="pt", add_special_tokens=False))
    prompt = inputs["input_ids"][0].tolist()
    numbers, new = torch.from_numpy(uniforms(stream_of(asked), 8)), list[int]()
    for step in range(8):
        ids = torch.tensor([prompt + new])
        with torch.no_grad():
            inputs |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            logits = network(**inputs).logits[:, -1].float()
        size = logits.shape[-1]
        mask, counts = torch.zeros(1, size, dtype=torch.bool), torch.bincount(torch.tensor(new).long(), minlength=size)
        mask[0, prompt] = True
        logits = penalized(logits, WARM, mask, counts[None])
        new.append(int(choose(logits, WARM, numbers[step : step + 1]).ids))
        if new[-1] == processor.tokenizer.eos_token_id:
            break
    expected = processor.tokenizer.decode(new, skip_special_tokens=True).strip()
    padded = answers(model, [asked, request(0, images=1, decoding=WARM)])
    assert padded[asked.id].text == expected


def test_beams_are_those_of_generate(shelf: Path) -> None:
    model = load(shelf / "llava", batch_size=2)
    asked = [request(i, images=1, decoding=Decoding(num_beams=3)) for i in range(2)]
    found = answers(model, asked)
    processor, network = model.checkpoint.processor, model.checkpoint.model
    for one in asked:
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": one.prompt}]}]
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        image = one.images[0].load()
        inputs = processor(text=text, images=[image], return_tensors="pt", add_special_tokens=False)
        out = network.generate(**inputs, max_new_tokens=8, num_beams=3, do_sample=False)
        new = out[0, inputs["input_ids"].shape[1] :]
        assert found[one.id].text == processor.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_thoughts_and_answer_have_limits_of_their_own(shelf: Path) -> None:
    model = load(shelf / "thinker", batch_size=4)
    asked = [
        request(0),  # no limit is reached
        request(1, limit=2),
        request(2, limit=2, thinking=Thinking(budget=3)),
        request(3, limit=2, thinking=Thinking(budget=5)),
        request(4, thinking=Thinking("off")),
        request(5, thinking=Thinking("on")),
        request(6, decoding=Decoding(stop=("es",))),
    ]
    found = answers(model, asked)
    facts = [(r.text, r.thoughts, r.finish, r.new_tokens, r.thought_tokens) for r in (found[one.id] for one in asked)]
    assert facts == [
        ("Yes", "abc", "stop", 4, 5),  # with the tokens that end answer and thought
        ("Ye", "abc", "length", 2, 5),
        ("", "ab", "unfinished_thought", 0, 3),
        ("Ye", "abc", "length", 2, 5),
        ("Yes", "", "stop", 4, None),
        ("Yes", "abc", "stop", 4, 5),
        ("Y", "abc", "stop", 3, 5),
    ]


def test_limits_hold_for_the_best_beam(shelf: Path) -> None:
    """The thinker's chain is its best beam too."""
    model, beams = load(shelf / "thinker", batch_size=2), Decoding(num_beams=3)
    asked = [
        request(0, decoding=beams),
        request(1, limit=2, decoding=beams),
        request(2, limit=2, decoding=beams, thinking=Thinking(budget=3)),
        request(3, decoding=dataclasses.replace(beams, stop=("es",))),
    ]
    found = answers(model, asked)
    facts = [(r.text, r.thoughts, r.finish, r.new_tokens, r.thought_tokens) for r in (found[one.id] for one in asked)]
    assert facts == [
        ("Yes", "abc", "stop", 4, 5),
        ("Ye", "abc", "length", 2, 5),
        ("", "ab", "unfinished_thought", 0, 3),
        ("Y", "abc", "stop", 3, 5),
    ]


def test_a_thought_that_the_template_begins(shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "always"
    shutil.copytree(shelf / "thinker", folder)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(template.replace(SWITCH, "<think>"))
    model = load(folder, batch_size=2)
    assert {"thinking_on", "thinking_budget"} <= honours(model) and "thinking_off" not in honours(model)
    assert "always begins a thought" in model.declines["thinking_off"]
    found = answers(model, [request(0), request(1, thinking=Thinking(budget=2))])
    assert (found["0-0"].text, found["0-0"].thoughts, found["0-0"].thought_tokens) == ("Yes", "abc", 4)
    assert (found["1-0"].text, found["1-0"].thoughts, found["1-0"].finish) == ("", "ab", "unfinished_thought")


@pytest.mark.parametrize(
    ("line", "on", "off"),
    [
        ("{% if not thinking | default(true) %}<think></think>{% endif %}", "", "<think></think>"),
        ("{% if no_think %}/no_think{% endif %}", "", "/no_think"),
        ("{% generation %}{% if enable_reasoning %}<think>{% endif %}{% endgeneration %}", "<think>", ""),
    ],
)
def test_switches_under_other_names(shelf: Path, tmp_path: Path, line: str, on: str, off: str) -> None:
    folder = tmp_path / "other"
    shutil.copytree(shelf / "thinker", folder)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(template.replace(SWITCH, line))
    model = load(folder, self_check=False)
    for mode, expected in (("on", on), ("off", off)):
        row = model._row(request(0, thinking=Thinking(mode)))  # type: ignore[arg-type]
        assert row.text.endswith(f"assistant\n{expected}")


def test_a_template_may_tell_the_model_its_budget(shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "told"
    shutil.copytree(shelf / "thinker", folder)
    template = (folder / "chat_template.jinja").read_text()
    line = "{% if thinking_budget is defined %}At most {{ thinking_budget }} tokens.{% endif %}"
    (folder / "chat_template.jinja").write_text(line + template)
    model = load(folder, self_check=False)
    assert model._row(request(0, thinking=Thinking(budget=70))).text.startswith("At most 70 tokens.")
    assert model._row(request(0)).text.startswith("<s>")


def test_what_a_template_cannot_do_is_refused(shelf: Path, docvqa_root: Path, tmp_path: Path) -> None:
    plain = shelf / "llava"
    words = ("run", "--model", f"hf:{plain}", "--benchmark", "docvqa", "--data-root", docvqa_root, "--limit", 2)
    for more, said in (
        (("--thinking", "on"), "declares no switch for thinking"),
        (("--thinking-budget", 9), "has the mark of a thought"),
        (("-P", "max_pixls=3"), "max_pixls"),
        (("-P", "crop_size.height=tall"), "must be a number"),
        (("-P", "crop_size.height=0"), "at least 1"),
        (("-P", "crop_size.depth=3"), "crop_size.height, crop_size.width"),
    ):
        done = call(*words, "--out", tmp_path / "run", *more)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    folder = tmp_path / "no-system"
    shutil.copytree(plain, folder)
    template = (folder / "chat_template.jinja").read_text()
    refuse = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refuse + template)
    with pytest.raises(UserError, match=r"--system-prompt: its chat template takes no system prompt"):
        run(f"hf:{folder}", ["docvqa"], tmp_path / "x", data_root=docvqa_root, limit=2, system="Be brief.")


def test_a_system_prompt_stands_before_the_question(shelf: Path) -> None:
    model = load(shelf / "llava")
    row = model._row(request(0, images=1, system="Be brief."))
    assert row.text.startswith("<s><|turn|>system\nBe brief.<|end|><|turn|>user\n<image>question")


def test_processor_settings_change_the_image_and_the_fingerprint(shelf: Path) -> None:
    asked = request(9, images=1)
    large, small = load(shelf / "qwen2_5_vl"), load(shelf / "qwen2_5_vl", processor="max_pixels=1568")
    tokens = [answers(model, [asked])[asked.id].prompt_tokens or 0 for model in (large, small)]
    assert tokens[1] < tokens[0] and large.fingerprint != small.fingerprint
    table = load(shelf / "qwen2_5_vl", processor="size.longest_edge=1568")
    assert answers(table, [asked])[asked.id].prompt_tokens == tokens[1]
    with pytest.raises(UserError, match="smallest size 784 is above the largest, 500"):
        load(shelf / "qwen2_5_vl", processor="max_pixels=500")


def test_a_run_records_and_resumes_sampling(shelf: Path, docvqa_root: Path, tmp_path: Path) -> None:
    def go(out: str, **more: Any) -> Any:
        settings = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 6}
        spec = f"hf:{shelf / 'llava'}"
        return run(
            spec, ["docvqa"], tmp_path / out, data_root=docvqa_root, decoding=settings, repeats=2, **more
        ).run.stored.all_responses(Cell("docvqa", "on"))

    first = go("run", limit=4)
    assert len(first) == 8 and len({r.text for r in first.values()}) > 4
    other = go("other", limit=4, options={"batch_size": "1"})
    assert {k: r.text for k, r in other.items()} == {k: r.text for k, r in first.items()}
    seeded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert seeded["repeats"] == 2 and seeded["responses_depend_on"]["decoding"] == {"temperature": 0.7, "top_p": 0.9}
