"""What a situation is, how it is performed, and how its end is compared with the expected one.

A situation ends in one of three ways. It is handled: the score is the one derived by hand. Some samples fail, with
their reason, and the score counts them as 0. Or it is refused: exit code 2 and one line that says what is wrong.
Nothing else is allowed: no traceback, no internal error, no other number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import Request, Response
from cambrian_eval.errors import CambrianEvalError
from tests.command import Word, call

WORDS = ("aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee", "ffffffff", "gggggggg", "hhhhhhhh")
"""Gold answers so different from each other that ANLS gives a wrong one exactly 0."""


@dataclass(frozen=True)
class Handled:
    """Exit code 0, no failed sample, and this score on the scale of 100 (None: no score is derived here)."""

    score: float | None = None
    text: str = ""
    """A regular expression for what is printed or returned besides."""


@dataclass(frozen=True)
class Failed:
    """That many samples fail, one of them for this reason (a regular expression), and the score counts them as 0."""

    n: int
    reason: str
    score: float | None = None


@dataclass(frozen=True)
class Refused:
    """Exit code 2 and one line that matches this regular expression."""

    text: str


Expected = Handled | Failed | Refused


@dataclass(frozen=True)
class Seen:
    """How a situation ended."""

    code: int
    text: str = ""
    """The refusal, or what was printed."""
    score: float | None = None
    failed: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """One row of the table."""

    name: str
    act: Callable[[Path], Seen]
    """What is done, with an empty folder for its files."""
    expected: Expected
    slow: bool = False
    """Whether it needs more than 3 seconds."""

    @property
    def parameter(self) -> Any:
        """As a parameter of the matrix."""
        return pytest.param(self, id=self.name, marks=[pytest.mark.slow] if self.slow else [])

    def check(self, seen: Seen) -> None:
        """Compares the end with the expected one."""
        wanted = self.expected
        assert "internal error" not in seen.text and "Traceback" not in seen.text, seen.text
        if isinstance(wanted, Refused):
            assert seen.code == 2, seen
            assert "\n" not in seen.text.strip() and re.search(wanted.text, seen.text), seen.text
            return
        assert seen.code in ((0,) if isinstance(wanted, Handled) else (0, 1)), seen
        assert seen.failed == (0 if isinstance(wanted, Handled) else wanted.n), seen
        if isinstance(wanted, Failed):
            assert any(re.search(wanted.reason, r) for r in seen.reasons), seen.reasons
        elif wanted.text:
            assert re.search(wanted.text, seen.text), seen.text
        if wanted.score is not None:
            assert seen.score == pytest.approx(wanted.score), seen


class Looking:
    """Names the word of the gray level of its image, and `unseen` without an image."""

    name, fingerprint, max_images = "looking", "looking-1", None

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """One word for each request."""
        for request in requests:
            yield Response(request.id, " ".join(map(word_of, request.images)) or "unseen")

    def describe(self) -> Mapping[str, Any]:
        """Nothing to tell."""
        return {}


def word_of(image: Any) -> str:
    """The word whose gray level the middle of an image has."""
    pixels = image.load()
    red = pixels.getpixel((pixels.width // 2, pixels.height // 2))[0]
    return WORDS[min(red // 32, len(WORDS) - 1)]


def level(i: int) -> int:
    """The gray level of row i: the middle of its range."""
    return 32 * i + 16


def gray(i: int, kind: str = "PNG", mode: str = "RGB", **more: Any) -> bytes:
    """The encoded image of row i."""
    import io

    from PIL import Image

    image = Image.new("L", (24, 24), level(i)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def page(i: int, cell: Any) -> dict[str, Any]:
    """Row i of a DocVQA table with this image cell."""
    return {
        "questionId": str(i),
        "question": f"Which word is on page {i}?",
        "question_types": ["form"],
        "image": cell,
        "docId": i,
        "ucsf_document_id": f"doc{i}",
        "ucsf_document_page_no": "1",
        "answers": [WORDS[i]],
        "data_split": "val",
    }


def ask(root: Path, out: Path, benchmark: str = "docvqa", model: Any = None, **more: Any) -> Seen:
    """Runs a model through the Python API, `Looking` unless another is given."""
    try:
        outcome = cambrian_eval.run(
            model or Looking(), [benchmark], out, **{"data_root": root, "scorers": ["fuzzy"], **more}
        )
    except CambrianEvalError as error:
        return Seen(2, str(error))
    reasons = [
        r.error or ""
        for cell in outcome.run.stored.cells()
        for r in outcome.run.stored.responses(cell).values()
        if r.finish == "failed"
    ]
    notes = "; ".join(note for r in outcome.results for note in r.notes)
    score = outcome.results[0].score if outcome.results else None
    return Seen(0, notes, score, outcome.n_failed, tuple(reasons))


def command(*words: Word) -> Seen:
    """Runs a command in this process; with `--json` its first score is read from what it prints."""
    done = call(*words)
    if done.returncode == 2:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("warning:")]
        assert not done.stdout, done.stdout
        return Seen(2, "\n".join(lines))
    score, failed = None, 0
    if "--json" in words:
        body = json.loads(done.stdout)
        found = body.get("results") or [body.get("result") or {}]
        score, failed = found[0].get("score"), body.get("failed", found[0].get("n_failed", 0))
    return Seen(done.returncode, done.stdout + done.stderr, score, failed)


def mini(out: Path, *words: Word, benchmark: str = "mmvp", n: int = 2) -> Seen:
    """`run` with random guesses on a few rows of the miniature suite."""
    start = ("run", "--model", "chance", "--benchmark", benchmark, "--data", f"mini:{n}", "--out", out)
    return command(*start, "--json", "--quiet", *words)


def lines(path: Path, rows: Iterable[Any]) -> Path:
    """A JSONL file; rows that are text or bytes are written as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for row in rows:
            raw = row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
            file.write(raw + b"\n")
    return path
