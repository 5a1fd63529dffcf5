"""`--adapter FOLDER`: a LoRA adapter in the layout of peft, merged into the weights of a loaded model.

The folder has `adapter_config.json` with `adapter_model.safetensors` (or `.bin`), and, if it was made by the training
scripts of LLaVA or Cambrian-1, the connector in `non_lora_trainables.bin`. peft itself computes the merged weights.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line
from cambrian_eval.models.checkpoint_files import read_json

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_CONNECTOR = "non_lora_trainables.bin"
_WRONG_SHAPE = re.compile(r"size mismatch for (\S+): .*?\[([\d, ]*)\].*?\[([\d, ]*)\]")


def find_adapter(adapter: str | None) -> Path | None:
    """The adapter's folder, checked before the model is loaded; None where there is no adapter."""
    if adapter is None:
        return None
    folder = Path(adapter).expanduser()
    if not folder.is_dir():
        raise UserError(f"--adapter {adapter} is not a folder; name the folder that peft's save_pretrained wrote")
    if not (folder / "adapter_config.json").is_file():
        whole = (folder / "config.json").is_file()
        hint = "it is a whole checkpoint; give it to --model" if whole else "name the folder of a LoRA adapter"
        raise UserError(f"--adapter {adapter} has no adapter_config.json; {hint}")
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise UserError(f"--adapter {adapter} has no {_WEIGHTS[0]}; copy the adapter again")
    if find_spec("peft") is None:
        raise UserError("--adapter needs peft; install it with `pip install 'cambrian-eval[peft]'`")
    return folder


def apply_adapter(model: Any, folder: Path, *, merge: bool = True, allow_pickle: bool = False) -> dict[str, Any]:
    """Merges the adapter into the model's own weights, in place; returns facts for run.json.

    A quantized model (`merge` is false) keeps the adapter beside its weights. Every tensor of the adapter must have its
    place in the model, and every place in the model that the adapter's configuration names must have its tensors.
    """
    import torch
    from peft import PeftConfig, PeftModel, set_peft_model_state_dict

    read_json(folder / "adapter_config.json")
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{folder / 'adapter_config.json'} is not a configuration of peft: {one_line(error)}") from None
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if config.is_prompt_learning or kind == "ADAPTION_PROMPT":
        raise UserError(f"{folder}: adapters of type {kind} are not supported; use one that can be merged (LoRA)")
    tensors = _stored(next(folder / name for name in _WEIGHTS if (folder / name).is_file()), allow_pickle)
    connector = _stored(folder / _CONNECTOR, allow_pickle) if (folder / _CONNECTOR).is_file() else {}
    # The task only decides which methods peft's wrapper has, and the wrapper is not kept.
    config.task_type, config.inference_mode = None, True
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            wrapped = PeftModel(model, config)
        except ValueError as error:
            if "not found in the base model" not in str(error):
                raise _misfit(folder, one_line(error, 300)) from None
            targets = config.target_modules
            shown = targets if isinstance(targets, str) else ", ".join(sorted(targets))
            reason = f"no module of the model matches its target_modules ({shown[:200]}), so there is no place for"
            raise _misfit(folder, f"{reason} tensor {_listed(tensors)}") from None
        try:
            found: Any = set_peft_model_state_dict(wrapped, tensors)
        except KeyError as error:
            raise _misfit(folder, f"tensor {error.args[0]} is missing in it") from None
        except RuntimeError as error:
            if not (wrong := _WRONG_SHAPE.findall(str(error))):
                raise
            names = [f"{_plain(name)} has shape [{own}], the model needs [{needed}]" for name, own, needed in wrong]
            raise _misfit(folder, f"tensor {_listed(names)}") from None
        if surplus := found.unexpected_keys:
            raise _misfit(folder, f"the model has no place for tensor {_listed(map(_plain, surplus))}")
        if missing := [name for name in found.missing_keys if name in _own_tensors(wrapped)]:
            raise _misfit(folder, f"tensor {_listed(map(_plain, missing))} is missing in it")
        if merge:
            wrapped.merge_and_unload()
        _copy_connector(model, connector, folder)
    return {"type": kind, "tensors": len(tensors) + len(connector), "merged": merge}


def _stored(path: Path, allow_pickle: bool) -> dict[str, Any]:
    """The tensors of a file, all of them finite."""
    from cambrian_eval.models.tensor_files import open_file

    tensors = {name: tensor[...] for name, tensor in open_file(path, allow_pickle=allow_pickle).items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise UserError(f"{path}: tensor {name} contains NaN or infinite values; copy the adapter again")
    return tensors


def _own_tensors(wrapped: Any) -> frozenset[str]:
    """The names of the tensors that the adapter adds to the model."""
    return frozenset(name for name in wrapped.state_dict() if ".default." in name or name.endswith(".default"))


def _copy_connector(model: Any, tensors: Mapping[str, Any], folder: Path) -> None:
    """Replaces whole tensors of the model by those trained beside the adapter."""
    own = dict(model.named_parameters())
    for name, tensor in tensors.items():
        plain = name.removeprefix("base_model.model.")
        if plain not in own:
            raise _misfit(folder, f"the model has no place for tensor {name} of {_CONNECTOR}")
        if own[plain].shape != tensor.shape:
            shapes = f"{list(tensor.shape)}, the model needs {list(own[plain].shape)}"
            raise _misfit(folder, f"tensor {name} of {_CONNECTOR} has shape {shapes}")
        own[plain].copy_(tensor)


def _misfit(folder: Path, reason: str) -> UserError:
    return UserError(f"the adapter {folder} does not fit the base model: {reason}; name the model it was trained on")


def _plain(name: str) -> str:
    """A tensor's name as it is in the file."""
    return name.replace(".default", "")


def _listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    all_names = sorted(names)
    more = f" and {len(all_names) - 3} more" if len(all_names) > 3 else ""
    return ", ".join(all_names[:3]) + more
