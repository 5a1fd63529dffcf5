"""Measures what sharing the work on images saves `hf:` models, against the plain batched way in one run.

    python tools/perf_shared_images.py                       # tiny and mid-size LLaVA and Qwen2.5-VL on this machine
    python tools/perf_shared_images.py --sizes mid --per-image 12 --json perf.json
    python tools/perf_shared_images.py --floor --per-image 12    # mid-size LLaVA beside the bare work, a minute

Random weights, written to a temporary folder and loaded as any checkpoint. Both sides answer the same questions about
640 x 480 images, several for each image as in GQA, with responses of three tokens; half of the plain side runs before
and half after.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perf_models import word_tokenizer

from cambrian_eval.image import LazyImage
from cambrian_eval.model import Model
from cambrian_eval.registry import resolve
from cambrian_eval.sample import Request

WORDS, NEW_TOKENS, VOCABULARY = 20, 3, 5600
TEMPLATE = (
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}MARK{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>{% endif %}"
)
TEXT = {
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4),
    "mid": dict(hidden_size=512, intermediate_size=1792, num_hidden_layers=12, num_attention_heads=8),
}
VISION = {
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4),
    "mid": dict(hidden_size=384, intermediate_size=1536, num_hidden_layers=12, num_attention_heads=6),
}


def llava(folder: Path, size: str) -> None:
    """LLaVA-1.5's input size and 576 image tokens."""
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    words = _words("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=336, patch_size=14, **VISION[size]),
        text_config=LlamaConfig(vocab_size=len(words), num_key_value_heads=2, **TEXT[size]),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=576,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    settings = dict(patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1)
    _save(folder, LlavaForConditionalGeneration(config), words, images, "LlavaProcessor", "<image>", settings)


def qwen2_5_vl(folder: Path, size: str) -> None:
    """Qwen2.5-VL at the images' own resolution: 391 image tokens."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil

    marks = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    words = _words(*marks)
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    quarter = TEXT[size]["hidden_size"] // TEXT[size]["num_attention_heads"] // 8
    rope = {"type": "mrope", "mrope_section": [2 * quarter, quarter, quarter]}
    vision = VISION[size]
    config = Qwen2_5_VLConfig(
        text_config={**TEXT[size], "num_key_value_heads": 2, "vocab_size": len(words), "rope_scaling": rope},
        vision_config=dict(
            depth=vision["num_hidden_layers"],
            hidden_size=vision["hidden_size"],
            intermediate_size=vision["intermediate_size"],
            num_heads=vision["num_attention_heads"],
            patch_size=14,
            out_hidden_size=TEXT[size]["hidden_size"],
            fullatt_block_indexes=[3],
        ),
        **dict(zip(names, words.convert_tokens_to_ids(list(marks)), strict=True)),
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    _save(folder, model, words, Qwen2VLImageProcessorPil(), "Qwen2_5_VLProcessor", mark, {})


MODELS: Mapping[str, Callable[[Path, str], None]] = {"llava": llava, "qwen2_5_vl": qwen2_5_vl}


def _words(*marks: str) -> Any:
    words = word_tokenizer(VOCABULARY)
    words.add_special_tokens({"additional_special_tokens": list(marks)})
    words.pad_token = words.eos_token
    return words


def _save(folder: Path, model: Any, words: Any, images: Any, kind: str, mark: str, settings: Mapping[str, Any]) -> None:
    model.generation_config.eos_token_id = words.eos_token_id
    for part in (model, words, images):
        part.save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": kind, **settings}))
    (folder / "chat_template.jinja").write_text(TEMPLATE.replace("MARK", mark))


def requests(images: int, per_image: int) -> list[Request]:
    """Questions of about twenty words, those of one image next to each other."""
    random = np.random.default_rng(0)
    made = []
    for number in range(images):
        coarse = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        shown = LazyImage.from_image(Image.open(io.BytesIO(buffer.getvalue())))
        for index in range(per_image):
            count = int(WORDS * random.uniform(0.6, 1.4))
            text = " ".join(f"w{word}" for word in random.integers(0, 4900, count))
            made.append(Request(f"{number}-{index}", "", "on", text, (shown,), 0, NEW_TOKENS, ""))
    return made


@dataclass(frozen=True)
class Spent:
    """Wall time and processor time in seconds."""

    wall: float
    processor: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.processor + other.processor)


def ask(model: Model, asked: Sequence[Request], responses: dict[str, str]) -> Spent:
    """Collects the responses and returns the time it took."""
    wall, processor = time.perf_counter(), time.process_time()
    for response in model.respond(iter(asked)):
        if response.finish == "failed":
            raise SystemExit(f"{response.id}: {response.error}")
        responses[response.id] = response.text
    return Spent(time.perf_counter() - wall, time.process_time() - processor)


def measure(name: str, size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Both sides of one model."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        MODELS[name](folder, size)
        # The words of this tokenizer are numbers, so it cannot return the question of the self-check.
        common: dict[str, Any] = {
            "self_check": False,
            "batch_size": options.batch_size,
            "dtype": options.dtype,
            "device": options.device,
        }
        shared = resolve(f"hf:{folder}", common)
        plain = resolve(f"hf:{folder}", common | {"vision_cache_gb": 0})
    asked = requests(options.images, options.per_image)
    middle = len(asked) // 2
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    ask(plain, asked[:2], {})
    spent = ask(plain, asked[:middle], before)
    own = ask(shared, asked, after)
    spent = spent + ask(plain, asked[middle:], before)
    count = len(asked)
    return {
        "questions": count,
        "parameters": plain.describe()["parameters"],
        "shared": shared.describe()["shared_images"],
        "plain_seconds": spent.wall / count,
        "shared_seconds": own.wall / count,
        "ratio": spent.wall / own.wall,
        "ratio_in_processor_time": spent.processor / own.processor,
        "differing": sum(before[key] != after[key] for key in before),
    }


def beside_floor(size: str = "mid", per_image: int = 12, turns: int = 2) -> dict[str, float]:
    """Processor seconds of a question about LLaVA's shared image, of the bare work, and their ratio; in turns."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        llava(folder, size)
        model = resolve(f"hf:{folder}", {"self_check": False, "batch_size": 16, "dtype": "float32", "device": "cpu"})
        bare = Bare(folder)
        asked = requests(turns + 1, per_image)
        ours: list[float] = []
        floor: list[float] = []
        differing = 0
        for turn in range(turns + 1):  # each turn has an image of its own; the first warms up
            mine = asked[turn * per_image : (turn + 1) * per_image]
            responses: dict[str, str] = {}
            spent = ask(model, mine, responses).processor
            begun = time.process_time()
            texts = bare.respond(mine)
            if turn:
                floor.append((time.process_time() - begun) / per_image)
                ours.append(spent / per_image)
                differing += sum(responses[r.id] != text for r, text in zip(mine, texts, strict=True))
    each = {"ours_s": float(np.median(ours)), "floor_s": float(np.median(floor))}
    return {"per_image": per_image, **each, "ratio": each["ours_s"] / each["floor_s"], "differing": differing}


class Bare:
    """The work that cannot be avoided: one image encoded and read once, then its questions as one batch."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def respond(self, asked: Sequence[Request]) -> list[str]:
        """The responses to questions about the same image."""
        parts = [[{"type": "image"}, {"type": "text", "text": r.prompt}] for r in asked]
        texts = [
            self.processor.apply_chat_template([{"role": "user", "content": p}], add_generation_prompt=True)
            for p in parts
        ]
        ready = self.processor(text=texts[:1], images=[asked[0].images[0].load()], return_tensors="pt")
        head, mark = ready["input_ids"][0].tolist(), self.model.config.image_token_id
        begin = len(head) - head[::-1].index(mark)  # what all questions begin with
        words = self.processor.tokenizer
        rest = [words(text.partition("<image>")[2], add_special_tokens=False)["input_ids"] for text in texts]
        longest, n = max(map(len, rest)), len(rest)
        read = self.model(
            input_ids=torch.tensor([head[:begin]]), pixel_values=ready["pixel_values"], use_cache=True, logits_to_keep=1
        )
        cache = read.past_key_values
        cache.batch_repeat_interleave(n)
        ids = torch.tensor([row + [words.pad_token_id] * (longest - len(row)) for row in rest])
        lengths = torch.tensor([len(row) for row in rest])
        mask = torch.cat([torch.ones(n, begin), torch.arange(longest)[None] < lengths[:, None]], 1).long()
        places = begin + torch.arange(longest).expand(n, -1)
        out = self.model(input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        token = out.logits[torch.arange(n), lengths - 1].argmax(-1)
        found = [token]
        for step in range(NEW_TOKENS - 1):
            mask = torch.cat([mask, torch.ones(n, 1).long()], 1)
            out = self.model(
                input_ids=token[:, None],
                attention_mask=mask,
                position_ids=(begin + lengths + step)[:, None],
                past_key_values=cache,
                use_cache=True,
            )
            token = out.logits[:, -1].argmax(-1)
            found.append(token)
        return [text.strip() for text in words.batch_decode(torch.stack(found, 1), skip_special_tokens=True)]


def main() -> None:
    """Prints one line for each model and size."""
    import transformers

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    gpu = torch.cuda.is_available()
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--sizes", default="tiny,mid")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--per-image", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cuda" if gpu else "cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--floor", action="store_true", help="only LLaVA beside the bare work, on the CPU, as JSON")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.floor:
        print(json.dumps(beside_floor(options.sizes.split(",")[-1], options.per_image), indent=2))
        return
    results = {}
    print("| model | plain s/question | shared s/question | ratio | ratio in processor time | responses that differ |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in options.models.split(","):
        for size in options.sizes.split(","):
            found = results[f"{name}, {size}"] = measure(name, size, options)
            print(
                f"| {name}, {size} ({found['parameters'] / 1e6:.0f} M) | {found['plain_seconds']:.3g} | "
                f"{found['shared_seconds']:.3g} | {found['ratio']:.1f} | {found['ratio_in_processor_time']:.1f} | "
                f"{found['differing']} of {found['questions']} |",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
