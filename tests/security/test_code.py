"""Nothing that is loaded is executed: no pickle, no code of a checkpoint's own, no unsafe reader anywhere."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.model import option_fields
from cambrian_eval.registry import adapter_names, load_adapter, resolve
from tests.models.tiny_vlms import llava

HERE = Path(__file__).parents[2]
ROOMS = ("cambrian_eval", "benchmarks", "reports", "cvbench_builder")


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the product: file and line, what is called, the call."""
    for room in ROOMS:
        for path in sorted((HERE / room).rglob("*.py")):
            if path.is_symlink() or any(p.is_symlink() for p in path.parents if p.is_relative_to(HERE / room)):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(HERE)}:{node.lineno}", ast.unparse(node.func), node


def argument(call: ast.Call, name: str) -> Any:
    found = [k.value for k in call.keywords if k.arg == name]
    return found[0].value if found and isinstance(found[0], ast.Constant) else None


def test_no_reader_that_can_execute_what_it_reads() -> None:
    forbidden = {
        *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
        *(
            "pickle.load",
            "pickle.loads",
            "pickle.Unpickler",
            "marshal.loads",
            "shelve.open",
            "joblib.load",
            "dill.loads",
        ),
        *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
        *("pd.read_pickle", "pandas.read_pickle"),
    }
    found = []
    for place, name, call in calls():
        bad = name in forbidden
        bad |= name == "torch.load" and argument(call, "weights_only") is not True
        bad |= name.endswith("np.load") and argument(call, "allow_pickle") is True
        bad |= argument(call, "trust_remote_code") is True
        if bad:
            found.append(f"{place}: {name}")
    assert found == []


def test_the_shell_is_used_for_the_user_s_own_command_alone() -> None:
    found = {place.split(":")[0] for place, _, call in calls() if argument(call, "shell") is True}
    assert found == {"cambrian_eval/cli/notify.py"}


def test_both_flags_are_off_unless_given() -> None:
    fields = [field for name in adapter_names() for field in option_fields(load_adapter(name)).values()]
    found = [field.default for field in fields if field.name in ("trust_remote_code", "allow_pickle")]
    assert found and not any(found)


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava(tmp_path_factory.mktemp("shelf") / "llava")


@pytest.fixture
def poisoned(shelf: Path, tmp_path: Path) -> Path:
    """A checkpoint whose weights are a pickle that does something."""
    folder = tmp_path / "poisoned"
    shutil.copytree(shelf, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"w": Payload(tmp_path / "mark")}))
    return folder


@pytest.mark.parametrize("allowed", [False, True])
def test_pickled_weights_execute_nothing(poisoned: Path, tmp_path: Path, allowed: bool) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "proof")))
    assert (tmp_path / "proof").is_dir()  # the payload works
    with pytest.raises(UserError if not allowed else Exception) as caught:
        resolve(f"hf:{poisoned}", {"device": "cpu", "allow_pickle": allowed})
    assert allowed or "--allow-pickle" in str(caught.value)
    assert not (tmp_path / "mark").exists()


def test_pickled_tensors_of_the_cambrian_network_execute_nothing(tmp_path: Path) -> None:
    from cambrian_eval.models.tensor_files import open_file

    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"w": Payload(tmp_path / "mark")}))
    with pytest.raises(UserError):
        open_file(path)
    assert not (tmp_path / "mark").exists()


def test_code_beside_a_checkpoint_is_not_run(shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own-code"
    shutil.copytree(shelf, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "something_new"
    config["auto_map"] = {
        "AutoConfig": "own.OwnConfig",
        "AutoModelForCausalLM": "own.OwnModel",
        "AutoModelForImageTextToText": "own.OwnModel",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'mark')!r})\n")
    for name in ("processor_config.json", "tokenizer_config.json"):
        file = folder / name
        if file.is_file():
            content = json.loads(file.read_text())
            content["auto_map"] = {"AutoProcessor": "own.OwnProcessor", "AutoTokenizer": ["own.OwnTokenizer", None]}
            file.write_text(json.dumps(content))
    with pytest.raises(UserError):
        resolve(f"hf:{folder}", {"device": "cpu"})
    assert not (tmp_path / "mark").exists()
