"""Starting up: nothing heavy is imported, users' own packages do not get in the way, plug-ins are found."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest

HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "matplotlib",
    "sklearn",
    "ray",
    "openai",
    "numpy",
    "pyarrow",
    "scipy",
}
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["score", "--help"]])
def test_start_up_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, json\n"
        f"sys.argv = ['cambrian-eval', *{words!r}]\n"
        "from cambrian_eval.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert not loaded & HEAVY


def test_grading_needs_no_torch_and_no_network() -> None:
    code = (
        "import sys, socket\n"
        "def forbidden(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = forbidden\n"
        "import cambrian_eval\n"
        "row = {'questionId': '1', 'question': 'q', 'question_types': [], 'answers': ['5']}\n"
        "assert cambrian_eval.grade('docvqa', row, '5').value == 1.0\n"
        "assert not {'torch', 'datasets', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_users_own_packages_named_like_ours(tmp_path: Path) -> None:
    for name in ("benchmarks", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the user\\'s own package was imported')")
    script = Path(sys.executable).with_name("cambrian-eval")
    ways = [
        [str(script), "list"],
        [sys.executable, "-m", "cambrian_eval", "list"],
        [
            sys.executable,
            "-c",
            "import sys; sys.path.insert(0, '.'); import cambrian_eval as c; print(c.load('docvqa').name)",
        ],
    ]
    for way in ways:
        done = subprocess.run(way, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "docvqa" in done.stdout, (way, done.stderr)


PLUGIN = """
from dataclasses import dataclass

from cambrian_eval import Adapter, Benchmark, HubSource, Response, Sample, Verdict, option


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

    official = fuzzy


class Side:
    max_images = 0

    def __init__(self, side):
        self.name, self.fingerprint, self.side = "heads", f"side-1-{side}", side

    def respond(self, requests):
        for request in requests:
            yield Response(request.id, self.side)

    def describe(self):
        return {"side": self.side}


@dataclass(frozen=True)
class SideOptions:
    side: str = option("H", choices=("H", "T"), help="The side to name.")


class SideAdapter(Adapter):
    name, summary, Options = "heads", "always names one side of the coin", SideOptions

    def create(self, rest, options):
        return Side(options.side)
"""


def test_third_parties_add_benchmarks_and_models(tmp_path: Path) -> None:
    """A real little package, installed in an environment of its own that sees this one's packages."""
    package = tmp_path / "coins"
    package.mkdir()
    (package / "coins.py").write_text(PLUGIN)
    (package / "pyproject.toml").write_text(
        textwrap.dedent("""
            [build-system]
            requires = ["setuptools"]
            build-backend = "setuptools.build_meta"
            [project]
            name = "coins"
            version = "1"
            [project.entry-points."cambrian_eval.benchmarks"]
            coins = "coins:Coins"
            [project.entry-points."cambrian_eval.models"]
            heads = "coins:SideAdapter"
            [tool.setuptools]
            py-modules = ["coins"]
        """)
    )
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    outer = [path for path in sys.path if path.endswith("site-packages")]
    (site / "outer.pth").write_text("\n".join([*outer, str(REPOSITORY), ""]))
    pip = ["-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path / "dist"), str(package)]
    subprocess.run([sys.executable, *pip, *wheel], check=True)
    (built,) = (tmp_path / "dist").iterdir()
    subprocess.run([python, *pip, "install", "--no-deps", "--no-index", str(built)], check=True)
    rows = tmp_path / "data" / "coins"
    rows.mkdir(parents=True)
    (rows / "rows.jsonl").write_text('{"face": "H"}\n{"face": "T"}\n{"face": "H"}\n')
    command = [python, "-m", "cambrian_eval"]
    listed = subprocess.run([*command, "list"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "coins" in listed and "heads" in listed
    done = subprocess.run(
        [
            *command,
            "run",
            "--model",
            "heads",
            "--benchmark",
            "coins",
            "--data-root",
            str(tmp_path / "data"),
            "--out",
            "r",
            "--json",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["results"][0]
    assert result["score"] == pytest.approx(200 / 3) and result["chance"] == 50.0 and result["complete"]

    def cambrian_eval(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], capture_output=True, text=True, cwd=tmp_path)

    # The adapter's own option, by `-M`, in a configuration file, and wrong.
    shown = cambrian_eval("list", "models", "--options", "heads").stdout
    assert "one of H, T" in shown and "The side to name." in shown
    run = ["run", "--benchmark", "coins", "--data-root", "data", "--json"]
    tails = json.loads(cambrian_eval(*run, "--model", "heads", "-M", "side=T", "--out", "t").stdout)["results"][0]
    assert tails["score"] == pytest.approx(100 / 3)
    assert json.loads((tmp_path / "t" / "run.json").read_text())["model"]["options"] == {"side": "T"}
    (tmp_path / "run.toml").write_text('[model]\nspec = "heads"\nside = "T"\n')
    found = json.loads(cambrian_eval(*run, "--config", "run.toml", "--out", "u").stdout)["results"][0]
    assert found["score"] == pytest.approx(100 / 3)
    wrong = cambrian_eval(*run, "--model", "heads", "-M", "side=edge", "--out", "v")
    assert wrong.returncode == 2 and "option side must be one of H, T, not 'edge'" in wrong.stderr
    # `all` on the miniature suite means the benchmarks it has, not every one that is installed.
    drawn = ["run", "--model", "chance", "--benchmark", "all", "--data", "mini:2", "--out", "drawn", "--json"]
    done = subprocess.run([*command, *drawn], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {r["benchmark"] for r in json.loads(done.stdout)["results"]}
    assert len(names) == 16 and "coins" not in names


def test_offline_opens_no_socket(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def forbidden(*a, **k): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = forbidden\nsocket.create_connection = forbidden\n"
        "sys.argv = ['cambrian-eval', *sys.argv[1:]]\n"
        "from cambrian_eval.cli.main import main\nmain()"
    )
    base = [sys.executable, "-c", code, "run", "--model", "chance", "--benchmark", "docvqa", "--offline"]
    done = subprocess.run([*base, "--data-root", docvqa_root, "--out", tmp_path / "a"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hub = subprocess.run(
        [*base, "--out", tmp_path / "b"],
        capture_output=True,
        text=True,
        env={"HF_HOME": str(tmp_path), "PATH": ""},
    )
    assert hub.returncode == 2 and "cambrian-eval fetch" in hub.stderr, hub.stderr
    assert "a connection was opened" not in hub.stderr
