"""Plug-ins that misbehave: they are listed as unusable with their reason, and everything else works."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.adversity.situation import Expected, Handled, Refused, Seen, Situation
from tests.command import spawn

BODIES: dict[str, tuple[str, str, str]] = {
    # name -> group, body of the module, and what the list says
    "raises at import": ("scorers", "raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
    "raises two lines at import": ("scorers", "raise RuntimeError('no\\nGPU')", "RuntimeError: no GPU"),
    "exits at import": ("benchmarks", "import sys; sys.exit(0)", "SystemExit: 0"),
    "has a syntax error": ("models", "def (:", "SyntaxError"),
    "has NUL bytes": ("models", "x = 1\0", "cannot be loaded"),
    "imports what is missing": ("conditions", "import nowhere_at_all", "ModuleNotFoundError"),
    "recurses at import": ("scorers", "def f(): return f()\nf()", "RecursionError"),
    "is a number": ("scorers", "Odd = 3", "is not a Scorer"),
    "is a function": ("benchmarks", "def Odd(**k): pass", "is not a Benchmark"),
    "is None": ("models", "Odd = None", "is not a"),
    "is a class of another kind": ("conditions", "class Odd: name = 'odd'", "is not a Condition"),
    "needs arguments": ("scorers", "class Odd:\n    def __init__(self, x): pass", "TypeError"),
    "has another name": (
        "scorers",
        "from cambrian_eval.scorer import Fuzzy\nclass Odd(Fuzzy):\n    name = 'other'",
        "must be equal to the value's `name`",
    ),
    "prints at import": ("scorers", "print('hello')\nraise ValueError('x')", "ValueError: x"),
    "warns at import": ("scorers", "import warnings\nwarnings.warn('x')\nraise ValueError('y')", "ValueError: y"),
}


def declared(group: str, body: str, tmp: Path, point: str = "odd = odd_plugin:Odd") -> dict[str, str]:
    """Declares an entry point as an installer does; returns the environment that finds it."""
    (tmp / "odd_plugin.py").write_text(body + "\n")
    metadata = tmp / "odd-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[cambrian_eval.{group}]\n{point}\n")
    return {"PYTHONPATH": str(tmp)}


def listed(group: str, body: str, says: str, tmp: Path) -> Seen:
    """`list` beside the plug-in."""
    done = spawn("list", env=declared(group, body, tmp))
    part = done.stdout.partition("unusable plug-ins:")[2]
    assert says in part and len(part.strip().splitlines()) == 1, done.stdout[-500:] + done.stderr
    return Seen(done.returncode, done.stdout + done.stderr)


def ran(group: str, body: str, tmp: Path) -> Seen:
    """A run of something else beside the plug-in."""
    words = ("run", "--model", "chance", "--benchmark", "all", "--data", "mini:2", "--out", tmp / "run", "--json")
    done = spawn(*words, "--quiet", env=declared(group, body, tmp))
    assert done.returncode or len({r["benchmark"] for r in json.loads(done.stdout)["results"]}) == 16
    return Seen(done.returncode, done.stderr)


def used(option: str, group: str, body: str, tmp: Path) -> Seen:
    """A run that names the plug-in."""
    named = {"--model": "chance", "--benchmark": "mmvp", "--vision": "on", "--scorer": "fuzzy", option: "odd"}
    words = [word for pair in named.items() for word in pair]
    done = spawn("run", *words, "--data", "mini:2", "--out", tmp / "run", "--quiet", env=declared(group, body, tmp))
    return Seen(done.returncode, done.stderr if done.returncode else done.stdout)


OPTIONS = {"models": "--model", "benchmarks": "--benchmark", "conditions": "--vision", "scorers": "--scorer"}


def table() -> list[Situation]:
    """The rows of this area; they start a process each."""
    found = []
    for name, (group, body, says) in BODIES.items():
        found.append(Situation(f"plug-in that {name}: list", partial(listed, group, body, says), Handled(), slow=True))
    for group, option in OPTIONS.items():
        body = "raise RuntimeError('no GPU')"
        expected: Expected = Refused("'odd' \\(odd_plugin:Odd\\) cannot be loaded: RuntimeError: no GPU")
        found.append(Situation(f"broken plug-in of {group}, used", partial(used, option, group, body), expected))
        act = partial(ran, group, body)
        found.append(Situation(f"broken plug-in of {group}, not used", act, Handled(), slow=True))
    return found
