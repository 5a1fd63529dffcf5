"""Options of `run`, `import`, `grade`, `score` and `merge` that are wrong, and configuration files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.adversity.situation import Expected, Handled, Refused, Seen, Situation, command, mini

REFUSED: dict[str, tuple[str, str]] = {
    # words of the command line (split at blanks; _ stands for an empty word), and what the line says
    "--limit 0": ("--limit", "0"),
    "--limit -1": ("--limit", "-1"),
    "--limit 1.5": ("--limit", "1.5"),
    "--limit many": ("--limit", "many"),
    "--limit _": ("--limit", ""),
    "--limit 1e3": ("--limit", "1e3"),
    "--limit nan": ("--limit", "nan"),
    "--seed x": ("--seed", "x"),
    "--seed 1.0": ("--seed", "1.0"),
    "--shard 0/2": ("--shard", "0/2"),
    "--shard 3/2": ("--shard", "3/2"),
    "--shard 1": ("--shard", "1"),
    "--shard 1/": ("--shard", "1/"),
    "--shard /2": ("--shard", "/2"),
    "--shard -1/2": ("--shard", "-1/2"),
    "--shard 1/2/3": ("--shard", "1/2/3"),
    "--shard 1/0": ("--shard", "1/0"),
    "--shard a/b": ("--shard", "a/b"),
    "--shard 1.0/2": ("--shard", "1.0/2"),
    "--shard ²/³": ("--shard", "²/³"),
    "--shard 1/1000000000000": ("--shard", "1/1000000000000"),
    "--vision of": ("--vision", "vision condition 'of'; did you mean.*off"),
    "--vision blind": ("--vision", "unknown vision condition 'blind'"),
    "--vision random": ("--vision", "'random' needs no run"),
    "--vision ../on": ("--vision", "unknown vision condition"),
    "--prompts own": ("--prompts", "own"),
    "--prompts _": ("--prompts", "unknown prompt style"),
    "--scorer fuzy": ("--scorer", "unknown scorer 'fuzy'; did you mean fuzzy"),
    "--scorer _": ("--scorer", "no scorer named"),
    "--scorer judge": ("--scorer", "judge"),
    "--on-change maybe": ("--on-change", "maybe"),
    "--on-change _": ("--on-change", "on.change"),
    "--max-failures 2": ("--max-failures", "2"),
    "--max-failures -0.1": ("--max-failures", "-0.1"),
    "--max-failures nan": ("--max-failures", "nan"),
    "--max-failures inf": ("--max-failures", "inf"),
    "--max-failures 1%": ("--max-failures", "1%"),
    "--max-pixels 0": ("--max-pixels", "0"),
    "--max-pixels -5": ("--max-pixels", "-5"),
    "--max-new-tokens 0": ("--max-new-tokens", "0"),
    "--max-new-tokens -1": ("--max-new-tokens", "-1"),
    "--workers 0": ("--workers", "0"),
    "--workers two": ("--workers", "two"),
    "--engine spark": ("--engine", "unknown engine 'spark'"),
    "--replicas 2": ("--replicas", "needs --engine ray"),
    "--replicas 0": ("--replicas", "0"),
    "--gpus-per-replica nan": ("--gpus-per-replica", "finite|nan"),
    "--gpus-per-replica -1": ("--gpus-per-replica", "-1"),
    "--ray-address auto": ("--ray-address", "needs --engine ray"),
    "--replica-timeout nan": ("--replica-timeout", "finite"),
    "--replica-timeout inf": ("--replica-timeout", "finite"),
    "--replica-timeout 0": ("--replica-timeout", "0"),
    "--budget nan": ("--budget", "finite"),
    "--budget inf": ("--budget", "finite"),
    "--budget -1": ("--budget", "-1"),
    "--timeout nan": ("--timeout", "finite"),
    "--timeout -inf": ("--timeout", "inf"),
    "--timeout 0": ("--timeout", "0"),
    "--vision-cache-gb inf": ("--vision-cache-gb", "finite"),
    "--vision-cache-gb -1": ("--vision-cache-gb", "-1"),
    "--concurrency 0": ("--concurrency", "0"),
    "--set corrected=true": ("--set", "benchmark.setting=value"),
    "--set mmvp.corrected": ("--set", "benchmark.setting=value"),
    "--set mmvp.=true": ("--set", "benchmark.setting=value"),
    "--set .corrected=true": ("--set", "benchmark.setting=value"),
    "--set mmvp.corected=true": ("--set", "unknown setting of mmvp 'corected'; did you mean corrected"),
    "--set mmvp.corrected=perhaps": ("--set", "is not true or false"),
    "--set mmvp.corrected=": ("--set", "is not true or false"),
    "--set mvp.corrected=true": ("--set", "mvp"),
    "--set gqa.relaxed=true": ("--set", "gqa"),
    "-M =1": ("-M", "name=value"),
    "-M seed": ("-M", "name=value"),
    "-M sead=1": ("-M", "sead"),
    "-M seed=x": ("-M", "seed"),
    "-M seed=1.5": ("-M", "seed"),
    "--dtype float16": ("--dtype", "dtype"),
    "--base-url http://x": ("--base-url", "base_url|base-url"),
    "--budget 1": ("--budget", "budget"),
    "--unknown": ("--unknown", "--unknown"),
    "surplus": ("surplus", "surplus"),
    "--data-root .": ("--data-root", "exclude each other"),
}
HANDLED = (
    "--limit 1",
    "--limit 1000000",
    "--seed -5",
    "--seed 99999999999999999999",
    "--shard 1/1",
    "--shard 01/1",
    "--vision on,on",
    "--vision off,,on",
    "--vision on,off,noise,shuffled",
    "--scorer fuzzy,fuzzy",
    "--scorer official",
    "--prompts paper",
    "--max-failures 0",
    "--max-failures 1",
    "--set mmvp.corrected=yes",
    "--set mmvp.corrected=FALSE",
    "-M seed=7",
    "--workers 1",
    "--revision whatever",
)
MODELS = {
    "": "no model named",
    " ": "no model named",
    "chanc": "unknown model 'chanc'; did you mean chance",
    "chance:x": "non-negative integer",
    "chance:-1": "non-negative integer",
    "chance:1.5": "non-negative integer",
    "chance:²": "non-negative integer",
    "baseline:": "baseline",
    "baseline:gues": "baseline",
    "/no/such/folder": "unknown model",
    ".": "no config.json",
    "a/b/c": "unknown model",
}
BENCHMARKS = {
    "": "no benchmark named",
    ",": "no benchmark named",
    "mmv": "unknown benchmark, suite or category 'mmv'; did you mean .*mmvp",
    "mmvp,docvq": "unknown benchmark, suite or category 'docvq'; did you mean docvqa",
    "../mmvp": "unknown benchmark",
    "mmvp.on": "unknown benchmark",
    "vision-centric": "",
    "mmvp\n": "",
}
DATA = {
    "mini:0": "positive integer",
    "mini:-1": "positive integer",
    "mini:x": "positive integer",
    "mini:1.5": "positive integer",
    "mini:²": "positive integer",
    "mini: 2": "positive integer",
    "mini:2:3": "positive integer",
    "hub:2": "not known",
    "minni": "not known",
    "": "",
}
CONFIGS: dict[str, tuple[str, Expected]] = {
    "good": ('benchmark = ["mmvp"]\nmodel = "chance"\ndata = "mini:2"\n', Handled()),
    "with dashes and underscores": (
        'benchmark = "mmvp"\nmodel = "chance"\ndata = "mini:2"\nmax-failures = 0.5\nmax_pixels = 10000000\n',
        Handled(),
    ),
    "with a table for the model": (
        'benchmark = "mmvp"\ndata = "mini:2"\n[model]\nspec = "chance"\nseed = 3\n',
        Handled(),
    ),
    "with settings": (
        'benchmark = "mmvp"\nmodel = "chance"\ndata = "mini:2"\n[set.mmvp]\ncorrected = true\n',
        Handled(),
    ),
    "with a byte order mark": ('\ufeffbenchmark = "mmvp"\nmodel = "chance"\ndata = "mini:2"\n', Handled()),
    "without a model": ('benchmark = "mmvp"\n', Refused("no model named")),
    "without a benchmark": ('model = "chance"\ndata = "mini:2"\n', Handled()),
    "that is not TOML": ("benchmark: mmvp\n", Refused("config.toml is not valid TOML")),
    "that is JSON": ('{"benchmark": "mmvp"}', Refused("config.toml is not valid TOML")),
    "with a key twice": ('data = "mini:2"\ndata = "mini:4"\n', Refused("config.toml is not valid TOML")),
    "with an unknown key": ('benchmarc = "mmvp"\n', Refused("benchmarc.*did you mean benchmark")),
    "with itself as config": ('config = "other.toml"\n', Refused("config")),
    "with text as a number": ('limit = "2"\n', Refused("limit must be a whole number")),
    "with a fraction as a whole number": ("limit = 1.5\n", Refused("limit must be a whole number")),
    "with true as a number": ("limit = true\n", Refused("limit must be a whole number")),
    "with zero as limit": ("limit = 0\nbenchmark = 'mmvp'\nmodel = 'chance'\ndata = 'mini:2'\n", Refused("limit|0")),
    "with text as a switch": ('quiet = "yes"\n', Refused("quiet must be true or false")),
    "with NaN": ("max_failures = nan\nbenchmark = 'mmvp'\nmodel = 'chance'\ndata = 'mini:2'\n", Refused("finite|nan")),
    "with infinity": ("budget = inf\nbenchmark = 'mmvp'\nmodel = 'chance'\ndata = 'mini:2'\n", Refused("finite|inf")),
    "with numbers in a list of names": ("benchmark = [1, 2]\n", Refused("benchmark must be a list of texts")),
    "with a table as text": ("[benchmark]\nname = 'mmvp'\n", Refused("benchmark must be")),
    "with a list as settings": ("set = [1]\n", Refused("set must be a table")),
    "with a flat table of settings": ("[set]\ncorrected = true\n", Refused("set must be a table")),
    "with an unknown setting": (
        'benchmark = "mmvp"\nmodel = "chance"\ndata = "mini:2"\n[set.mmvp]\ncorrect = 1\n',
        Refused("correct"),
    ),
    "with an unknown option of the model": (
        'benchmark = "mmvp"\ndata = "mini:2"\n[model]\nspec = "chance"\nsead = 3\n',
        Refused("sead"),
    ),
    "with a number as model": ("benchmark = 'mmvp'\ndata = 'mini:2'\nmodel = 7\n", Refused("7")),
    "with a date": ("seed = 2026-01-01\n", Refused("seed must be a whole number")),
    "with deep tables": ("x = " + "[" * 20_000 + "]" * 20_000, Refused("config.toml")),
    "with deep keys": (".".join("a" * 5_000) + " = 1\n", Refused("config.toml")),
}
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "is missing": (lambda p: None, "cannot be read"),
    "is a folder": (lambda p: p.mkdir(), "cannot be read"),
    "is not UTF-8": (lambda p: p.write_bytes(b"\xff\xfe\x00"), "UTF-8|valid TOML"),
    "is a link to itself": (lambda p: p.symlink_to(p.name), "cannot be read"),
    "has NUL bytes": (lambda p: p.write_bytes(bytes(100)), "valid TOML"),
}
OUT: dict[str, tuple[Callable[[Path], object], Expected]] = {
    "an empty folder": (lambda p: p.mkdir(), Handled()),
    "a folder in folders that do not exist": (lambda p: None, Handled()),
    "a file": (lambda p: p.write_text("x"), Refused("is a file; --out needs a folder")),
    "an empty file": (lambda p: p.write_text(""), Refused("is a file; --out needs a folder")),
    "a folder with a file of another program": (
        lambda p: (p.mkdir(), (p / "x").write_text("")),
        Refused("is not a run folder.*'x'"),
    ),
    "a folder with a folder": (lambda p: (p / "x").mkdir(parents=True), Refused("is not a run folder.*'x'")),
    "a folder with a lock alone": (lambda p: (p.mkdir(), (p / "lock").write_text("process 1 on x")), Handled()),
    "a folder with a temporary file alone": (lambda p: (p.mkdir(), (p / ".run.json.1.tmp").write_text("{")), Handled()),
    "a link to a folder": (lambda p: ((p.parent / "other").mkdir(), p.symlink_to("other")), Handled()),
    "a link to itself": (lambda p: p.symlink_to(p.name), Refused("")),
}


def _config(content: str, tmp: Path) -> Seen:
    path = tmp / "config.toml"
    path.write_text(content)
    return command("run", "--config", path, "--out", tmp / "run", "--json", "--quiet")


def _config_file(make: Callable[[Path], object], tmp: Path) -> Seen:
    make(tmp / "config.toml")
    return command("run", "--config", tmp / "config.toml", "--out", tmp / "run", "--json", "--quiet")


def _out(make: Callable[[Path], object], tmp: Path) -> Seen:
    make(tmp / "run")
    return mini(tmp / "run")


def _run(model: str, benchmark: str, data: str, tmp: Path) -> Seen:
    words = ("--model", model, "--benchmark", benchmark, "--data", data)
    return command("run", *words, "--out", tmp / "run", "--json", "--quiet")


def _with(words: str, tmp: Path) -> Seen:
    return mini(tmp / "run", *("" if word == "_" else word for word in words.split(" ")))


def table() -> list[Situation]:
    """The rows of this area."""
    found = []
    for words, (_, says) in REFUSED.items():
        found.append(Situation(f"run {words}", partial(_with, words), Refused(says)))
    for words in HANDLED:
        found.append(Situation(f"run {words}", partial(_with, words), Handled()))
    for model, says in MODELS.items():
        found.append(Situation(f"model {model!r}", partial(_run, model, "mmvp", "mini:2"), Refused(says)))
    for benchmark, says in BENCHMARKS.items():
        expected: Expected = Refused(says) if says else Handled()
        found.append(Situation(f"benchmark {benchmark!r}", partial(_run, "chance", benchmark, "mini:2"), expected))
    for data, says in DATA.items():
        if says:
            found.append(Situation(f"data {data!r}", partial(_run, "chance", "mmvp", data), Refused(says)))
    for name, (content, expected) in CONFIGS.items():
        found.append(Situation(f"configuration {name}", partial(_config, content), expected))
    for name, (make, says) in FILES.items():
        found.append(Situation(f"configuration {name}", partial(_config_file, make), Refused(says)))
    for name, (make, expected) in OUT.items():
        found.append(Situation(f"out is {name}", partial(_out, make), expected))
    return found
