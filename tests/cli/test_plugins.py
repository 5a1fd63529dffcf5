"""A third party's package: a benchmark, a model, a vision condition and a scorer, found by their entry points."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.command import Done, spawn

pytestmark = pytest.mark.slow  # many processes

COINS = """
from dataclasses import dataclass
from pathlib import Path

from cambrian_eval import Adapter, Benchmark, HubSource, Response, Sample, Verdict, option
from cambrian_eval.condition import Condition
from cambrian_eval.image import LazyImage
from cambrian_eval.scorer import Scorer


RECIPE = Path(__file__).with_name("coins.toml")
WRONG = 3


class Coins(Benchmark):
    name, title, category, paper, metric = "coins", "Coins", "General", "nobody 2026", "accuracy"
    max_new_tokens, typical_chance = 4, 50.0
    source = HubSource("nobody/coins", "test", 3, ("face",))

    def to_sample(self, row, index):
        return Sample(id=str(index), index=index, question="Heads?", answers=(row["face"],), guesses=("H", "T"))

    def prompt(self, sample, style="official"):
        return sample.question

    def fuzzy(self, sample, text):
        return Verdict(float(text in sample.answers), text, "equal")


class Heads:
    max_images = 0

    def __init__(self, side):
        self.name, self.fingerprint, self.side = "heads", f"side-1-{side}", side

    def respond(self, requests):
        for request in requests:
            yield Response(request.id, self.side)

    def describe(self):
        return {"side": self.side}


@dataclass(frozen=True)
class HeadsOptions:
    side: str = option("H", choices=("H", "T"), help="The side to name.")


class HeadsAdapter(Adapter):
    name, summary, Options = "heads", "always names one side of the coin", HeadsOptions

    def create(self, rest, options):
        return Heads(options.side)


class Mirrored(Condition):
    name, title, summary, color = "mirrored", "Mirrored", "the images with left and right exchanged", "#3a7d44"

    def apply(self, sample, context):
        from PIL import ImageOps

        return [LazyImage.from_image(ImageOps.mirror(i.load(context.max_pixels))) for i in sample.images]


class Short(Scorer):
    name, summary = "short", "full marks for a response of one character"

    def score(self, benchmark, sample, reply):
        return Verdict(float(len(reply) == 1), reply[:1], "the length is compared")

    def notes(self, benchmark):
        return ("scored by length",)


class Off(Mirrored):
    name = "off"


class Fuzzy(Short):
    name = "fuzzy"
"""
POINTS = {
    "cambrian_eval.benchmarks": "coins:Coins",
    "cambrian_eval.models": "heads = coins:HeadsAdapter",
    "cambrian_eval.conditions": "mirrored = coins:Mirrored",
    "cambrian_eval.scorers": "short = coins:Short",
    "cambrian_eval.recipes": "tossed = coins:RECIPE",
}
RECIPE = '[templates.coins]\nopen = "{question} Or tails?"\n'


def install(folder: Path, points: Mapping[str, str]) -> dict[str, str]:
    """Installs the package by pip into a folder of its own; the environment in which Python finds it."""
    package = folder / "package"
    package.mkdir()
    (package / "coins.py").write_text(COINS)
    groups = "".join(f'[project.entry-points."{g}"]\n{_point(point)}\n' for g, point in points.items())
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "coins"\nversion = "1"\n{groups}[tool.setuptools]\npy-modules = ["coins"]\n'
    )
    site = folder / "site"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", site, package], check=True)
    (site / "coins.toml").write_text(RECIPE)
    return {"PYTHONPATH": str(site)}


def _point(point: str) -> str:
    name, _, place = point.rpartition(" = ")
    return f'{name or "coins"} = "{place}"'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("coins"), POINTS)


def test_a_benchmark_and_a_model(environment: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "data" / "coins"
    rows.mkdir(parents=True)
    (rows / "rows.jsonl").write_text('{"face": "H"}\n{"face": "T"}\n{"face": "H"}\n')
    words = ("--model", "heads", "--benchmark", "coins", "--data-root", tmp_path / "data")
    done = spawn("run", *words, "--out", tmp_path / "run", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]  # by `fuzzy`; it has no released code, so no `official`
    assert result["score"] == pytest.approx(200 / 3) and result["chance"] == 50.0 and result["complete"]
    tails = spawn("run", *words, "--out", tmp_path / "tails", "-M", "side=T", "--json", env=environment)
    assert json.loads(tails.stdout)["results"][0]["score"] == pytest.approx(100 / 3)
    for option, reason in (("side=X", "option side must be one of H, T"), ("edge=1", "its options: side")):
        refused = spawn("run", *words, "--out", tmp_path / "c", "-M", option, env=environment)
        assert refused.returncode == 2 and reason in refused.stderr
    assert "The side to name." in spawn("list", "models", "--options", "heads", env=environment).stdout
    refused = spawn("run", *words, "--out", tmp_path / "b", "--scorer", "official", env=environment)
    assert refused.returncode == 2 and "coins has no released scoring code" in refused.stderr


def test_all_on_the_miniature_suite_means_the_benchmarks_that_it_has(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("--model", "chance", "--benchmark", "all", "--data", "mini:2", "--out", tmp_path / "run", "--json")
    done = spawn("run", *words, env=environment)
    assert done.returncode == 0, done.stderr
    names = {r["benchmark"] for r in json.loads(done.stdout)["results"]}
    assert len(names) == 16 and "coins" not in names


@pytest.fixture(scope="module")
def run(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run under the package's condition and scorer, over benchmarks that ship with the harness."""
    out = tmp_path_factory.mktemp("run") / "run"
    words = ("--model", "chance", "--benchmark", "mmvp,docvqa", "--data", "mini:8", "--out", out, "--quiet")
    done = spawn("run", *words, "--vision", "on,off,mirrored", "--scorer", "fuzzy,short", env=environment)
    assert done.returncode == 0, done.stderr
    return out


def test_a_recipe_words_the_prompts(environment: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "data" / "coins"
    rows.mkdir(parents=True)
    (rows / "rows.jsonl").write_text('{"face": "H"}\n')
    assert "tossed" in spawn("list", "recipes", env=environment).stdout
    words = ("coins", "--data-root", tmp_path / "data", "--recipe", "tossed")
    assert "Heads? Or tails?" in spawn("show", *words, env=environment).stdout


def test_all_four_are_listed(environment: dict[str, str]) -> None:
    text = spawn("list", env=environment).stdout
    assert "coins" in text and "heads" in text
    assert "the images with left and right exchanged" in text and "full marks for a response" in text


def test_a_condition_changes_the_images_and_nothing_else(run: Path) -> None:
    own, shown = (
        [json.loads(line) for line in (run / "responses" / f"mmvp.{name}.jsonl").read_text().splitlines()]
        for name in ("on", "mirrored")
    )
    assert [r["prompt"] for r in own] == [r["prompt"] for r in shown]
    assert all(a["images"] != b["images"] and len(b["images"]) == 1 for a, b in zip(own, shown, strict=True))


def test_a_scorer_scores_benchmarks_that_do_not_know_it(run: Path) -> None:
    """Guesses of MMVP are letters, those of DocVQA are empty."""
    results = json.loads((run / "results.json").read_text())["results"]
    found = {(r["benchmark"], r["condition"]): r for r in results if r["scorer"] == "short"}
    assert {key: r["score"] for key, r in found.items()} == {
        ("mmvp", "on"): 100.0,
        ("mmvp", "off"): 100.0,
        ("mmvp", "mirrored"): 100.0,
        ("docvqa", "on"): 0.0,
        ("docvqa", "off"): 0.0,
        ("docvqa", "mirrored"): 0.0,
    }
    assert all("scored by length" in r["notes"] for r in found.values())
    assert found["mmvp", "on"]["chance"] == 25.0  # chance and averages stay the benchmark's own


def test_score_compare_agreement_and_table(environment: dict[str, str], run: Path, tmp_path: Path) -> None:
    def of(*words: str | Path) -> Done:
        done = spawn(*words, env=environment)
        assert done.returncode == 0, (words, done.stderr)
        return done

    verdicts = run / "verdicts" / "mmvp.mirrored.short.jsonl"
    before = verdicts.read_bytes()
    verdicts.unlink()
    of("score", run, "--scorer", "short")
    assert verdicts.read_bytes() == before
    words = ("compare", run, run, "--vision", "on", "--vision-b", "mirrored", "--scorer", "short", "--json")
    pairs = {c["benchmark"]: c["paired"] for c in json.loads(of(*words).stdout)["comparisons"]}
    assert (pairs["mmvp"]["a"], pairs["mmvp"]["b"], pairs["docvqa"]["difference"]) == (100.0, 100.0, 0.0)
    assert "mmvp" in of("agreement", run, "--a", "fuzzy", "--b", "short", "--vision", "mirrored").stdout
    table = of("table", run, "--scorer", "short", "--vision", "mirrored", "--format", "csv").stdout
    assert "100.0" in table
    refused = spawn("table", run, "--scorer", "short")  # without the package
    assert refused.returncode in (0, 2) and "Traceback" not in refused.stderr


def test_a_report_shows_the_condition(environment: dict[str, str], run: Path, tmp_path: Path) -> None:
    words = ("--scorer", "short", "--out", tmp_path / "report", "--format", "svg")
    done = spawn("report", run, *words, env=environment)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    assert "mirrored" in page.lower() and "100.0" in page


BROKEN = {
    "conditions": {
        "off = coins:Off": "vision condition 'off' is built in",
        "short = coins:Short": "is not a Condition",
        "odd = broken_init:Odd": "cannot be loaded: ZeroDivisionError",
    },
    "scorers": {
        "fuzzy = coins:Fuzzy": "scorer 'fuzzy' is built in",
        "brief = coins:Short": "must be equal to the value's `name`",
        "short = nowhere:Short": "cannot be loaded: ModuleNotFoundError",
        "odd = broken_abstract:Odd": "cannot be loaded: TypeError",
    },
    "benchmarks": {
        "mmvp = coins:Coins": "the name is built in",
        "gone = coins:Gone": "cannot be loaded: AttributeError",
        "syntax = broken_syntax:Odd": "cannot be loaded: SyntaxError",
        "exit = broken_exit:Odd": "cannot be loaded: SystemExit",
        "value = broken_value:Odd": "is not a Benchmark",
    },
    "models": {
        "chance = coins:HeadsAdapter": "the name is built in",
        "odd = broken_import:Odd": "cannot be loaded: RuntimeError: no GPU",
    },
    "recipes": {
        "paper = coins:RECIPE": "recipe 'paper' is built in",
        "odd = coins:WRONG": "is not the path of a TOML file",
    },
}
"""Group -> entry point -> why it is unusable."""
MODULES = {
    "broken_syntax": "def odd(:\n",
    "broken_import": "raise RuntimeError('no GPU')\n",
    "broken_exit": "import sys\nsys.exit(3)\n",
    "broken_abstract": "from cambrian_eval.scorer import Scorer\nclass Odd(Scorer):\n    name = 'odd'\n",
    "broken_init": (
        "from cambrian_eval.conditions import Off\nclass Odd(Off):\n    name = 'odd'\n"
        "    def __init__(self):\n        1 / 0\n"
    ),
    "broken_value": "Odd = 3\n",
}


@pytest.fixture
def declare(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Declares entry points as an installer writes them, without an installer for each case."""

    def write(group: str, *points: str, package: str = "coins") -> dict[str, str]:
        (tmp_path / "coins.py").write_text(COINS)
        for name, content in MODULES.items():
            (tmp_path / f"{name}.py").write_text(content)
        metadata = tmp_path / f"{package}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text("\n".join((f"[cambrian_eval.{group}]", *points, "")))
        return {"PYTHONPATH": str(tmp_path)}

    return write


def test_unusable_plugins_are_listed_with_their_reasons_and_stop_nothing(
    declare: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    for group, points in BROKEN.items():
        environment = declare(group, *points, package=group)
    done = spawn("list", env=environment)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.partition("unusable plug-ins:")[2].strip().splitlines()
    reasons = {(point.partition(" = ")[0], why) for points in BROKEN.values() for point, why in points.items()}
    assert len(listed) == len(reasons)
    for name, reason in reasons:
        assert any(re.search(rf"\b{name}\b", line) and reason in line for line in listed), (name, reason, listed)
    words = ("--model", "chance", "--benchmark", "mmvp,docvqa", "--data", "mini:2")
    ran = spawn("run", *words, "--out", tmp_path / "run", "--json", "--quiet", env=environment)
    assert ran.returncode == 0, ran.stderr
    assert len({r["benchmark"] for r in json.loads(ran.stdout)["results"]}) == 2


def test_asking_for_an_unusable_plugin_tells_the_reason(declare: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    environment = declare("benchmarks", "odd = broken_import:Odd")
    done = spawn(
        "run",
        "--model",
        "chance",
        "--benchmark",
        "odd",
        "--data-root",
        tmp_path,
        "--out",
        tmp_path / "x",
        env=environment,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "benchmark 'odd' (broken_import:Odd) cannot be loaded: RuntimeError: no GPU" in done.stderr


def test_two_packages_with_one_name_mean_neither(declare: Callable[..., dict[str, str]]) -> None:
    declare("scorers", "short = coins:Short", package="first")
    environment = declare("scorers", "short = coins:Short", package="second")
    text = spawn("list", env=environment).stdout
    assert text.count("the packages first, second declare the same name") == 2


def test_a_plugin_with_a_taken_name_is_usable_with_its_package(
    declare: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """Files, results and tables have the name with the package: nothing takes it for the built-in scorer."""
    environment = declare("scorers", "fuzzy = coins:Fuzzy")
    words = ("--model", "chance", "--benchmark", "mmvp", "--data", "mini:4", "--vision", "off")
    ran = spawn(
        "run", *words, "--scorer", "fuzzy,coins:fuzzy", "--out", tmp_path / "run", "--json", "--quiet", env=environment
    )
    assert ran.returncode == 0, ran.stderr
    ours, theirs = json.loads(ran.stdout)["results"]
    assert (ours["scorer"], theirs["scorer"]) == ("fuzzy", "coins:fuzzy")
    assert theirs["score"] == 100.0 and "scored by length" in theirs["notes"]
    assert theirs["basis"]["rules"].endswith(", coins 1")
    for scorer, score in (("coins:fuzzy", "100.0"), ("fuzzy", f"{ours['score']:.1f}")):
        table = spawn("table", tmp_path / "run", "--scorer", scorer, "--vision", "off", env=environment)
        assert score in table.stdout, table.stderr
    assert "coins:fuzzy" in spawn("list", env=environment).stdout


def test_names_of_two_packages_are_told_apart(declare: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    declare("benchmarks", "coins = coins:Coins", package="first")
    environment = declare("benchmarks", "coins = coins:Coins", package="second.pack")
    for name in ("coins", "second-pack:coins"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "rows.jsonl").write_text('{"face": "H"}\n' * 3)
    words = ("--model", "chance", "--data-root", tmp_path / "data", "--vision", "off", "--quiet", "--json")
    bare = spawn("run", "--benchmark", "coins", *words, "--out", tmp_path / "a", env=environment)
    assert bare.returncode == 2 and "use it as first:coins" in bare.stderr
    named = spawn("run", "--benchmark", "second-pack:coins", *words, "--out", tmp_path / "b", env=environment)
    assert named.returncode == 0, named.stderr
    assert json.loads(named.stdout)["results"][0]["benchmark"] == "second-pack:coins"
    assert spawn("merge", tmp_path / "b", "--out", tmp_path / "c", env=environment).returncode == 0
