"""One harness in a process of its own: `worker.py HARNESS [CHECKOUT]` prints a line of JSON for each verdict."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from importing import Drawn, Missing, NeedsJudge, NotAsked, scoring
from question import Case, Question, cases, questions

Scorer = Callable[[Question, str], bool]


def main() -> None:
    """Scores all cases; what functions print is dropped."""
    name, checkout = sys.argv[1], Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    out = sys.stdout
    asked, given = questions(), cases()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the functions write files where they are
        found = importlib.import_module(f"harnesses.{name}").scorers(checkout)
        lines = [line for benchmark, make in found.items() for line in _scored(benchmark, make, asked, given)]
        os.chdir("/")
    for line in lines:
        out.write(json.dumps(line) + "\n")


def _scored(
    benchmark: str, make: Callable[[], Scorer], asked: dict[str, Question], given: list[Case]
) -> list[dict[str, Any]]:
    try:
        score = make()
    except Exception as error:  # whatever the import of a module without its dependencies raises
        return [{"benchmark": benchmark, "import": f"{type(error).__name__}: {error}"}]
    lines = []
    for number, case in enumerate(given):
        question = asked[case.question]
        if benchmark in question.benchmarks and (found := _outcome(score, question, case.response)):
            lines.append({"benchmark": benchmark, "case": number, "outcome": found})
    return lines


def _outcome(score: Scorer, question: Question, response: str) -> str | None:
    """right, wrong, judge, random or an error; None where the harness has no such question."""
    try:
        with scoring():
            return "right" if score(question, response) else "wrong"
    except NotAsked:
        return None
    except NeedsJudge:
        return "judge"
    except Drawn:
        return "random"
    except Missing as missing:
        return f"error: needs {missing}"
    except Exception as error:  # a function that stops is an outcome of its own
        return f"error: {type(error).__name__}"


if __name__ == "__main__":
    main()
