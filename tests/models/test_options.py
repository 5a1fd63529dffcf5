"""Options of model adapters, from texts or Python values, and which adapter a bare checkpoint goes to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import Adapter, UserError, option, run
from cambrian_eval.errors import ContractError
from cambrian_eval.model import Model, option_fields, parse_options
from cambrian_eval.registry import adapter_names, check_options, load_adapter, locate, resolve
from cambrian_eval.running.records import Cell

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class ToyOptions:
    device: str | None = option(None, help="Where.")
    dtype: str = option("float32", choices=("float32", "bfloat16"), help="Type.")
    batch_size: int | None = option(None, none="auto", minimum=1, help="Size.")
    share: float = option(0.5, minimum=0, help="Share.")
    fast: bool = option(False, help="Fast.")


class Toy(Adapter):
    name = "toy"
    summary = "a toy"
    Options = ToyOptions

    def create(self, rest: str, options: ToyOptions) -> Model:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"batch_size": "4"}, "batch_size", 4),
        ({"batch-size": "auto"}, "batch_size", None),
        ({"batch_size": 7}, "batch_size", 7),
        ({"share": "0.25"}, "share", 0.25),
        ({"share": 1}, "share", 1.0),
        ({"fast": "true"}, "fast", True),
        ({"fast": False}, "fast", False),
        ({"device": None}, "device", None),
        ({"dtype": "bfloat16"}, "dtype", "bfloat16"),
    ],
)
def test_texts_and_python_values(given: Mapping[str, Any], name: str, value: Any) -> None:
    found = parse_options(Toy(), given)
    assert getattr(found, name) == value and type(getattr(found, name)) is type(value)
    with pytest.raises(FrozenInstanceError):
        found.dtype = "float64"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dtyp": "float32"}, "no option 'dtyp'; did you mean dtype"),
        ({"x": 1}, r"its options: device, dtype, batch_size, share, fast"),
        ({"dtype": "int8"}, "option dtype must be one of float32, bfloat16, not 'int8'"),
        ({"dtype": None}, "option dtype"),
        ({"dtype": 4}, "option dtype"),
        ({"batch_size": "0"}, "option batch_size must be auto or an integer of at least 1, not '0'"),
        ({"batch_size": "many"}, "option batch_size"),
        ({"batch_size": True}, "option batch_size"),
        ({"batch_size": 1.5}, "option batch_size"),
        ({"share": "nan"}, "option share must be a number of at least 0"),
        ({"share": -1}, "option share"),
        ({"fast": "yes"}, "option fast must be true or false"),
        ({"fast": 1}, "option fast"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse_options(Toy(), given)
    assert "\n" not in str(caught.value)


def test_a_plug_in_with_an_unsupported_type_is_told() -> None:
    @dataclass(frozen=True)
    class Odd:
        sizes: list[int] | None = option(None, help="Sizes.")

    class OddAdapter(Toy):
        Options = Odd

    with pytest.raises(ContractError, match="option sizes"):
        option_fields(OddAdapter())


def test_every_installed_adapter_describes_itself() -> None:
    for name in adapter_names():
        adapter = load_adapter(name)
        assert adapter.name == name and adapter.summary and "\n" not in adapter.summary
        assert all(field.help for field in option_fields(adapter).values())
        parse_options(adapter, {})


def test_refusals_and_lists_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from cambrian_eval.errors import UserError\n"
        "from cambrian_eval.model import option_fields\n"
        "from cambrian_eval.registry import adapter_names, check_options, load_adapter\n"
        "for name in adapter_names(): option_fields(load_adapter(name))\n"
        "try: check_options('hf:x/y', {'dtype': 'int3'})\n"
        "except UserError: pass\n"
        "print([m for m in ('torch', 'transformers', 'openai', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "cambrian_llama"}, "cambrian"),
        ({"model_type": "llava_llama", "mm_vision_tower_aux_list": ["a"]}, "cambrian"),
        ({"model_type": "llava"}, "hf"),
        ({}, "hf"),
    ],
)
def test_a_folder_goes_to_the_adapter_that_recognizes_it(config: dict[str, Any], kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    adapter, rest = locate(str(tmp_path))
    assert (adapter.name, rest) == (kind, str(tmp_path))


def test_a_hub_id_goes_by_its_name() -> None:
    assert locate("nyu-visionx/cambrian-8b")[0].name == "cambrian"
    assert locate("llava-hf/llava-1.5-7b-hf")[0].name == "hf"
    with pytest.raises(UserError, match="unknown model 'chanse'; did you mean chance"):
        locate("chanse")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_config_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        locate(str(tmp_path))


def test_settings_of_the_run_are_never_refused(docvqa_root: Path, tmp_path: Path) -> None:
    """`seed` reaches the adapter that declares it and no other; `options` of the model win over it."""
    assert resolve("baseline:most-frequent", {"seed": 3, "offline": True}).name == "baseline:most-frequent"
    assert resolve("chance", {"seed": 3, "offline": True}).describe()["seed"] == 3
    with pytest.raises(UserError, match="no option 'seed'"):
        check_options("baseline:most-frequent", {"seed": 3})

    def of(name: str, **settings: Any) -> Any:
        done = run("chance", ["ai2d"], tmp_path / name, data="mini:8", **settings)
        texts = [r.text for r in done.run.stored.responses(Cell("ai2d", "on")).values()]
        return texts, done.run.info["model"]["details"]["seed"], done.run.info["model"]["options"]

    first = of("a", seed=3)
    assert first[1:] == (3, {})
    chosen = of("b", options={"seed": 3})
    assert (chosen[0], *chosen[1:]) == (first[0], 3, {"seed": 3})


def test_options_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'chance' has no option 'dtype'"):
        run("chance", ["ai2d"], tmp_path / "a", data="mini:4", options={"dtype": "float32"})
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match="loaded already"):
        run(resolve("chance"), ["ai2d"], tmp_path / "b", data="mini:4", options={"seed": 1})


class TestCommand:
    @staticmethod
    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([sys.executable, "-m", "cambrian_eval", *words], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    def test_flags_are_short_forms(self, tmp_path: Path) -> None:
        start = ["run", "--benchmark", "ai2d", "--data", "mini:4", "--quiet", "--out", str(tmp_path / "run")]
        for words, said in (
            (["--model", "chance", "--dtype", "nonsense"], "has no option 'dtype' (its options: seed)"),
            (["--model", "chance", "--no-deterministic"], "has no option 'deterministic'"),
            (["--model", "baseline:text-prior", "--batch-size", "4"], "'batch_size' (its options: none)"),
            (["--model", "hf:/nowhere", "-M", "dtype=int3"], "dtype must be one of float32, bfloat16, float16, auto"),
            (["--model", "hf:/nowhere", "--base-url", "http://x"], "no option 'base_url'"),
            (["--model", "chance", "-M", "seed"], "not of the form name=value"),
        ):
            error = self.run(*start, *words, code=2).stderr
            assert said in error and len(error.strip().splitlines()) == 1
        assert not (tmp_path / "run").exists()
        self.run(*start, "--model", "chance", "-M", "seed=5", "--seed", "2", "--offline")
        info = json.loads((tmp_path / "run" / "run.json").read_text())
        assert info["model"]["options"] == {"seed": 5} and info["model"]["fingerprint"] == "chance-1-seed-5"

    def test_a_table_in_the_configuration_file(self, tmp_path: Path) -> None:
        file = tmp_path / "run.toml"
        rest = f'benchmark = "ai2d"\ndata = "mini:4"\nquiet = true\nout = "{tmp_path / "run"}"\n'
        file.write_text(rest + '[model]\nspec = "chance"\nseed = 5\n')
        self.run("run", "--config", str(file))
        info = json.loads((tmp_path / "run" / "run.json").read_text())
        assert info["model"]["options"] == {"seed": 5} and info["model"]["fingerprint"] == "chance-1-seed-5"
        out = ("--out", str(tmp_path / "other"))
        self.run("run", "--config", str(file), "-M", "seed=6", *out)
        info = json.loads((tmp_path / "other" / "run.json").read_text())
        assert info["model"]["fingerprint"] == "chance-1-seed-6"
        file.write_text(rest + '[model]\nspec = "chance"\ndtype = "float32"\n')
        assert "no option 'dtype'" in self.run("run", "--config", str(file), code=2).stderr

    def test_options_are_listed(self) -> None:
        text = self.run("list", "models", "--options", "openai").stdout
        assert "concurrency" in text and "an integer of at least 1" in text and "16" in text
        found = json.loads(self.run("list", "models", "--options", "openai", "--json").stdout)
        (timeout,) = [one for one in found["options"] if one["name"] == "timeout"]
        assert (timeout["type"], timeout["default"], timeout["minimum"]) == ("float", 120.0, 0.1) and timeout["help"]
        listed = self.run("list", "models").stdout
        assert all(load_adapter(name).summary in listed for name in adapter_names())
        assert "did you mean" in self.run("list", "model", code=2).stderr
