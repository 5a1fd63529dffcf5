"""`cambrian-eval inspect`: describes a checkpoint without loading it."""

from __future__ import annotations

from typing import Any

import typer

from cambrian_eval.errors import UserError


def inspect(
    model: str = typer.Argument(help="Folder or Hub id of a checkpoint, with or without cambrian: or hf: before it."),
    size: list[str] = typer.Option(["640x480"], help="Image size WIDTHxHEIGHT to count visual tokens for; repeatable."),
    towers_root: str = typer.Option(None, help="Folder with local vision-tower weights."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Show sizes, template, memory and missing files of a checkpoint; for hf:, what was tested and is shared."""
    from cambrian_eval.cli import output
    from cambrian_eval.registry import locate

    sizes = [_size(text) for text in size]
    adapter, name = locate(model)
    if adapter.name == "hf":
        _transformers(name, json)
        return
    if adapter.name != "cambrian":
        raise UserError(f"inspect describes checkpoints (cambrian:PATH, hf:PATH); {model} is not one")

    from cambrian_eval.models.cambrian.inspect import describe_checkpoint
    from cambrian_eval.models.local import loading

    with loading(name):
        found = describe_checkpoint(name, sizes, towers_root)
    if json:
        print(output.as_json(found))
        return
    print(output.table([["what", "value"], *_facts(found)]))
    rows = [["tower", "kind", "input", "tokens", "width", "parameters", "weights"], *map(_tower, found["towers"])]
    print("\n" + output.table(rows, right=(2, 3, 4, 5)))
    rows = [["image", "grid", "visual tokens"]]
    rows += [[_times(p["size"]), _times(p["grid"]), str(p["visual_tokens"])] for p in found["images"]]
    print("\n" + output.table(rows, right=(2,)))
    print()
    for line in found["missing"]:
        print(f"missing: {line}")
    print(f"download it with `{found['fetch_command']}`" if found["missing"] else "missing: nothing")


def _transformers(name: str, json: bool) -> None:
    """A checkpoint for `hf:`."""
    from cambrian_eval.cli import output
    from cambrian_eval.models.local import loading
    from cambrian_eval.models.transformers_vlm.inspect import describe_checkpoint

    with loading(name):
        found = describe_checkpoint(name)
    if json:
        print(output.as_json(found))
        return
    known = {None: "not tested", True: "yes", False: "no"}
    tested = "not run" if found["tested"] is None else f"on a tiny checkpoint, transformers {found['tested']}"
    rows = [
        ["checkpoint", found["name"]],
        ["folder", found["folder"]],
        ["type", f"{found['model_type']} ({found['architecture'] or 'no image-text-to-text class'})"],
        ["stored values", f"{found['parameters']:,}" if found["parameters"] else "no .safetensors weights"],
        ["stored as", ", ".join(found["stored_dtype"]) or "-"],
        ["chat template", known[found["chat_template"]]],
        ["architecture tested", tested],
        ["batch = single requests", known[found["batch_equals_single"]]],
        ["several images", known[found["several_images"]]],
        ["needs torchvision", known[found["needs_torchvision"]]],
        ["thinks by default", found["thinks_by_default"] or "see the checkpoint"],
        ["shared images", found["shared_images"]],
    ]
    print(output.table([["what", "value"], *rows]))


def _size(text: str) -> tuple[int, int]:
    width, times, height = text.lower().partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UserError(f"--size {text!r} is not of the form WIDTHxHEIGHT, for example 640x480")
    return int(width), int(height)


def _facts(found: dict[str, Any]) -> list[list[str]]:
    language, counts = found["language_model"], found["parameters"]
    layers = found["sampler_layers"]
    connector = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found["connector"].items())
    rows = [
        ["checkpoint", found["name"]],
        ["folder", found["folder"]],
        ["type", f"{found['model_type']} ({found['architecture']})"],
        [
            "language model",
            f"{language['base']}, {language['layers']} layers of width {language['hidden_size']}, "
            f"{language['heads']} heads ({language['kv_heads']} for keys and values), "
            f"vocabulary {language['vocabulary']}",
        ],
        ["connector", f"{found['projector']}: {connector}"],
        ["sampler layers", f"{len(layers)}, after decoder layers {', '.join(map(str, layers))}" if layers else "none"],
        ["template", found["template"] + (f" ({found['template_note']})" if found["template_note"] else "")],
        ["image at position", "not stated" if found["image_position"] is None else str(found["image_position"])],
        ["longest prompt", "not stated" if found["token_limit"] is None else f"{found['token_limit']} tokens"],
        ["stored as", ", ".join(found["stored_dtype"] or ["weights not found"])],
    ]
    rows += [[f"parameters, {part}", f"{count:,}"] for part, count in counts.items()]
    return rows + [[f"weights in {dtype}", _bytes(count)] for dtype, count in found["memory_bytes"].items()]


def _tower(tower: dict[str, Any]) -> list[str]:
    return [
        tower["entry"],
        tower["kind"] + (", multi-stage" if tower["multi_stage"] else ""),
        f"{tower['input_side']}",
        f"{tower['tokens']}",
        f"{tower['width']}",
        f"{tower['parameters']:,}",
        tower["weights"] or "missing",
    ]


def _times(pair: list[int]) -> str:
    return f"{pair[0]} x {pair[1]}"


def _bytes(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
