"""Tries every image-text-to-text architecture of the installed transformers, and writes the table of docs/models.md.

    python tools/architectures.py            # try all, write architectures.json and the page
    python tools/architectures.py --page     # write the page from the stored table

Each class is built from its default configuration with few layers, without storage. Architectures with a tiny
checkpoint in `tests/models` are run: a batch against single requests, several images, and shared work on images
against the plain way, all in float32 and by token ids.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cambrian_eval.models.transformers_vlm.architectures import (
    FILE,
    SHARED,
    Architecture,
    Sharing,
    Table,
    has_plain_cache,
    table,
    takes_features,
)

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/models.md"
BEGIN, END = "<!-- tools/architectures.py -->", "<!-- end of tools/architectures.py -->"
LAYERS = ("num_hidden_layers", "depth", "num_layers", "n_layers", "encoder_layers", "decoder_layers")
THINKING = {
    "glm4v": "yes (GLM-4.1V-Thinking)",
    "glm4v_moe": "yes (GLM-4.5V)",
    "internvl": "no; a system prompt asks for it",
    "qwen3_5": "yes",
    "qwen3_5_moe": "yes",
    "qwen3_vl": "in the Thinking checkpoints",
    "qwen3_vl_moe": "in the Thinking checkpoints",
} | dict.fromkeys(
    (
        *("gemma3", "idefics2", "idefics3", "llava", "llava_next", "llava_next_video", "llava_onevision", "paligemma"),
        *("qwen2_vl", "qwen2_5_vl", "smolvlm", "vipllava"),
    ),
    "no",
)
"""From the documentation of the models; a checkpoint's own chat template decides."""
NEW_TOKENS = 5
QUESTIONS = ("first question?", "a longer second question, is it not?", "third", "and a fourth one")


def survey(model_type: str, name: str) -> Architecture:
    """What can be said without a checkpoint."""
    return Architecture(
        name, _builds(model_type, name), _needs_torchvision(model_type), thinking=THINKING.get(model_type)
    )


def _builds(model_type: str, name: str) -> str:
    import transformers

    try:
        config = transformers.AutoConfig.for_model(model_type)
        _shorten(config)
        with torch.device("meta"):
            getattr(transformers, name)(config)
    except ImportError as error:
        return "needs timm" if "timm" in str(error) else "needs another library"
    except Exception:  # each class fails in its own way
        return "not from its default configuration"
    return "yes"


def _shorten(config: Any) -> None:
    import transformers

    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PreTrainedConfig):
            _shorten(value)
        elif name in LAYERS and type(value) is int:
            setattr(config, name, min(value, 4))


def _needs_torchvision(model_type: str) -> bool:
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    images = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type) or {}
    processor = getattr(transformers, PROCESSOR_MAPPING_NAMES.get(model_type) or "", None)
    # Without torchvision, a class that needs it is a placeholder.
    placeholder = "torchvision" in getattr(processor, "_backends", ())
    return placeholder or ("torchvision" in images and "pil" not in images)


def trial(folder: Path) -> dict[str, Any]:
    """What running a tiny checkpoint says: `batch`, `several_images` and `shared` of its row."""
    from cambrian_eval import Request
    from cambrian_eval.registry import resolve

    model: Any = resolve(f"hf:{folder}", {"batch_size": 4, "vision_cache_gb": 0, "self_check": False})
    asked = [
        Request(f"{count}-{index}", "", "on", text, _images(index, count), 0, NEW_TOKENS, "")
        for count in range(3)
        for index, text in enumerate(QUESTIONS[:3])
    ]
    together = {response.id: response for response in model.respond(iter(asked))}
    alone = {response.id: response for request in asked for response in model.respond(iter([request]))}
    several = all(response.finish != "failed" for key, response in alone.items() if key.startswith("2-"))
    equal = all(
        (response.text, response.finish) == (together[key].text, together[key].finish)
        for key, response in alone.items()
    )
    return {"batch": equal, "several_images": several, "shared": _sharing(model, 2 if several else 1)}


def _images(seed: int, count: int) -> tuple[Any, ...]:
    import numpy as np
    from PIL import Image

    from cambrian_eval.image import LazyImage

    random = np.random.default_rng(seed)
    sizes = [(40 + 9 * seed, 30 + 7 * number) for number in range(count)]
    return tuple(
        LazyImage.from_image(Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8))) for w, h in sizes
    )


def _sharing(model: Any, most: int) -> Sharing | None:
    """The most that questions can share with the same token ids as one by one in the plain way."""
    loaded = model.checkpoint.model
    if not takes_features(type(loaded)):
        return None
    kinds: tuple[Sharing, ...] = ("prompt", "features") if has_plain_cache(loaded.config) else ("features",)
    return next((kind for kind in kinds if all(_is_exact(model, kind, n) for n in range(1, most + 1))), None)


def _is_exact(model: Any, kind: Sharing, count: int) -> bool:
    from cambrian_eval.models.transformers_vlm.shared_images import SharedImages

    checkpoint = model.checkpoint
    # The beginning is shared by questions about the same images; features also serve a batch about several.
    shown = [_images(7 if kind == "prompt" or index < 3 else index, count) for index in range(len(QUESTIONS))]
    texts = [_prompt(model, text, count) for text in QUESTIONS]
    special = not checkpoint.bos_in_template
    plain = []
    for text, images in zip(texts, shown, strict=True):
        pixels = [[image.load() for image in images]]
        made = checkpoint.processor(text=[text], images=pixels, return_tensors="pt", add_special_tokens=special)
        made.pop("labels", None)
        plain += _ids(checkpoint, made)
    shared = SharedImages(checkpoint.model, checkpoint.processor, kind == "prompt")
    try:
        return plain == _ids(checkpoint, shared.encode(shared.inputs(texts, shown, special, prompt=True)))
    except Exception:  # an architecture that reads its features in another way may raise anything
        return False
    finally:
        shared.close()


def _prompt(model: Any, text: str, images: int) -> str:
    from cambrian_eval.models.transformers_vlm.chat_template import render

    processor = model.checkpoint.processor
    if processor.chat_template is None:
        return f"{processor.image_token * images}answer en {text}"
    return render(processor, [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}])


def _ids(checkpoint: Any, inputs: Mapping[str, Any]) -> list[list[int]]:
    """New tokens of each row, up to the first that ends a response."""
    length, words = inputs["input_ids"].shape[1], checkpoint.processor.tokenizer
    with torch.inference_mode():
        out = checkpoint.model.generate(
            **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=words.pad_token_id
        )
    rows = out[:, length:].tolist()
    return [row[: row.index(words.eos_token_id)] if words.eos_token_id in row else row for row in rows]


def complete(only: Sequence[str] = ()) -> Table:
    """The table of all architectures, those with a tiny checkpoint tried."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as names

    from tests.models.more_tiny_vlms import ALL

    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        for model_type, name in sorted(names.items()):
            if only and model_type not in only:
                continue
            rows[model_type] = survey(model_type, name)
            if model_type in ALL:
                folder = ALL[model_type](Path(scratch) / model_type)
                rows[model_type] = msgspec.structs.replace(rows[model_type], **trial(folder))
                print(model_type, rows[model_type], file=sys.stderr)
    return Table(transformers.__version__, rows)


def lines(found: Table) -> Iterator[str]:
    """The part of the page that is generated, as Markdown."""
    tried = {name: row for name, row in found.architectures.items() if row.batch is not None}
    rest = {name: row for name, row in found.architectures.items() if row.batch is None}
    yield f"transformers {found.transformers}. Run on tiny checkpoints with random weights, in float32:"
    yield ""
    titles = ("architecture", "batch = single", "several images", "needs torchvision", "shared", "thinks by default")
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for name, row in tried.items():
        marks = (row.batch, row.several_images, row.torchvision)
        cells = [
            f"`{name}`",
            *(_yes(mark) for mark in marks),
            SHARED[row.shared] if row.shared else "nothing",
            row.thinking or "see the checkpoint",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "Only built from their default configuration with few layers, and not run (nothing is shared):"
    yield ""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name, row in rest.items():
        groups.setdefault((row.builds, row.torchvision), []).append(f"`{name}`")
    for (builds, torchvision), members in sorted(groups.items(), key=lambda group: (group[0][0] != "yes", group[0])):
        what = "builds" if builds == "yes" else f"does not build: {builds}"
        yield f"- {what}{'; needs torchvision' if torchvision else ''}: {', '.join(members)}"


def _yes(mark: bool | None) -> str:
    return "-" if mark is None else "yes" if mark else "no"


def page(found: Table) -> str:
    """The whole page with its generated part renewed."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN + "\n")
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n" + "\n".join(lines(found)) + f"\n{END}{after}"


def main() -> None:
    """Writes the table and the page."""
    import transformers

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="only write the page, from the stored table")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)  # networks this small lose more to waking threads than they gain from them
    if not options.page:
        found = complete()
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        table.cache_clear()
    PAGE.write_text(page(table()), "utf-8")


if __name__ == "__main__":
    main()
