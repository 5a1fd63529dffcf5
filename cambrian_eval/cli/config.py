"""`--config run.toml` or `run.yaml`: every option of a command by its own name; the command line overrides them.

`[model]` is a table of the model's own options, as for `-M`, with the `--model` spec itself as `spec`. `[decoding]` and
`[processor]` are tables of what `-G` and `-P` take.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line, unknown


def defaults(path: Path, command: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]:
    """The file's values as defaults for a command's parameters, the model's own options, and what stands in the tables
    `[decoding]` and `[processor]`, which `-G` and `-P` change one by one.
    """
    content = _content(path)
    options = {o.lstrip("-").replace("-", "_"): p for p in command.params for o in p.opts if o.startswith("--")}
    options.pop("config", None)
    found: dict[str, Any] = {}
    model_options: dict[str, Any] = {}
    if isinstance(content.get("model"), dict):
        table = content.pop("model")
        model_options = {name.replace("-", "_"): value for name, value in table.items() if name != "spec"}
        if "spec" in table:
            found["model"] = _typed(table["spec"], options["model"], f"{path}: model.spec")
    decoding = _table(content, "decoding", path)
    processor = [f"{name}={_word(value)}" for name, value in _table(content, "processor", path).items()]
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in options:
            raise unknown(f"key in {path}", key, [o.replace("_", "-") for o in options])
        where = f"{path}: {key}"
        found[options[name].name] = _switches(value, where) if name == "set" else _typed(value, options[name], where)
    return found, model_options, decoding, processor


def _content(path: Path) -> dict[str, Any]:
    """The file as a table: YAML where its name ends in .yaml or .yml, else TOML."""
    try:
        text = path.read_text("utf-8-sig")
        return _yaml(path, text) if path.suffix.lower() in (".yaml", ".yml") else _toml(path, text)
    except OSError as error:
        raise UserError(f"--config {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--config {path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"--config {path} is nested too deep; fix the file") from None


def _toml(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"--config {path} is not valid TOML ({error}); fix the file") from None


def _yaml(path: Path, text: str) -> dict[str, Any]:
    """YAML of plain values; `on` and `off` are texts, as in YAML 1.2, so that `vision: [on, off]` works."""
    import yaml

    loader: Any = type("Loader", (yaml.SafeLoader,), {"construct_mapping": _mapping})
    loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != YAML_BOOL]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(YAML_BOOL, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))
    try:
        content = loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise UserError(
            f"--config {path} is not valid YAML ({where}{one_line(problem or error)}); fix the file"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"--config {path} must have lines such as model: chance, not a single value or a list")
    return content


YAML_BOOL = "tag:yaml.org,2002:bool"


def _mapping(loader: Any, node: Any, deep: bool = False) -> Any:
    """A YAML table whose keys are texts, each once."""
    import yaml

    seen = set()
    for key, _ in node.value:
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str) or name in seen:
            problem = f"the key {name!r} " + ("is there twice" if isinstance(name, str) else "is not a text")
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add(name)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


def _table(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    """A table of the file, taken out of its content; empty where it is not there."""
    table = content.pop(name, {})
    if not isinstance(table, dict):
        raise UserError(
            f"{path}: {name} must be a table such as [{name}] with name = value (YAML: {name}: with indented lines)"
        )
    return table


def text_or_file(text: str, option: str) -> str:
    """The text of an option, or where it begins with @, the content of the file that it names, without the
    line break at its end.
    """
    if not text.startswith("@"):
        return text
    path = Path(text[1:]).expanduser()
    try:
        return path.read_text("utf-8-sig").removesuffix("\n")
    except OSError as error:
        raise UserError(f"{option} {text} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{option} {text} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _switches(value: Any, where: str) -> list[str]:
    """The items of `--set`: a list of them, or a table for each benchmark."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if not isinstance(value, dict) or not all(isinstance(inner, dict) for inner in value.values()):
        raise UserError(f"{where} must be a table such as [set.textvqa] with ocr_tokens = false")
    return [f"{b}.{k}={_word(v)}" for b, inner in value.items() for k, v in inner.items()]


def _typed(value: Any, option: Any, where: str) -> Any:
    """A value of the option's own kind; lists become the comma-separated text of the command line."""
    import click

    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if getattr(option, "is_flag", False):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(option.type, click.types.IntParamType):
        fits, wanted = number and isinstance(value, int), "a whole number"
    elif isinstance(option.type, click.types.FloatParamType):
        fits, wanted = number, "a number"
    elif isinstance(value, list):
        fits, wanted = all(isinstance(item, str) for item in value), "a list of texts"
        value = ",".join(map(str, value))
    else:
        fits, wanted = number or isinstance(value, str), "a text"
        value = str(value) if number else value
    if not fits:
        raise UserError(f"{where} must be {wanted}, not {value!r}")
    return value


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
