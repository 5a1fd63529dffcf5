"""The table of architectures: each row repeated on its tiny checkpoint, and what the program makes of it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from cambrian_eval import UserError
from cambrian_eval.models.transformers_vlm.architectures import table
from cambrian_eval.registry import resolve
from tests.models.more_tiny_vlms import ALL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("try_architectures", ROOT / "tools/architectures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_the_table_states_what_a_tiny_checkpoint_does(tool: ModuleType, tmp_path: Path, name: str) -> None:
    """In float32: a batch against single requests, several images, shared work on images against the plain way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = tool.trial(ALL[name](tmp_path / name))
    finally:
        torch.set_num_threads(threads)
    row = table().architectures[name]
    assert found == {"batch": row.batch, "several_images": row.several_images, "shared": row.shared}


def test_the_page_equals_the_table(tool: ModuleType) -> None:
    assert tool.PAGE.read_text("utf-8") == tool.page(table())


def test_every_architecture_of_this_transformers_has_a_row() -> None:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as names

    if transformers.__version__ != table().transformers:
        pytest.skip(f"the table is of transformers {table().transformers}")
    assert set(table().architectures) == set(names)
    assert {name for name, row in table().architectures.items() if row.batch is not None} == set(ALL)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "kimi_vl"}, 'unknown architecture kimi_vl: run it with --serve "vllm serve'),
        (
            {"model_type": "deepseek_vl_v2", "auto_map": {"AutoConfig": "c.C"}},
            "unknown architecture deepseek_vl_v2: run it with --serve .*or its own code with --trust-remote-code",
        ),
        ({"model_type": "internvl_chat"}, "unknown architecture internvl_chat: .* name ends in -HF"),
    ],
)
def test_an_unknown_architecture_names_the_ways_out(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=words) as caught:
        resolve(f"hf:{tmp_path}", {})
    assert "\n" not in str(caught.value)
