"""The example packages of the guides: the pages show them as they are, and every command of the pages works.

They are built and installed once, into a folder of their own that only these tests see. What the guides and `docs/`
contain besides is checked elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "docs" / "examples"
PACKAGES = ("clock-pairs", "nearest-clock", "chartqa-exact")
GUIDES = ("add-a-benchmark", "add-a-model", "add-a-scorer")
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^<!-- example -->\n```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The surroundings of a person who has installed the three packages."""
    home = tmp_path_factory.mktemp("examples")
    for name in PACKAGES:  # pip leaves its build beside the sources
        shutil.copytree(EXAMPLES / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["-q", "--disable-pip-version-check", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    folders = [str(home / name) for name in PACKAGES]
    subprocess.run([sys.executable, "-m", "pip", *options, "--target", str(home / "site"), *folders], check=True)
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(home / "site"), "PATH": tools}


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Shell:
    """Runs a line, or a whole script, in an empty folder."""

    def run(script: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, f"{script}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def _page(name: str) -> str:
    return (REPOSITORY / "docs" / f"{name}.md").read_text("utf-8")


def _results(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    stored = json.loads((folder / "results.json").read_text("utf-8"))["results"]
    return {(r["condition"], r["scorer"]): r for r in stored}


def _shown() -> Iterator[tuple[str, str]]:
    for name in GUIDES:
        yield from _FILE.findall(_page(name))


@pytest.mark.parametrize(("path", "shown"), list(_shown()), ids=lambda value: value if "\n" not in value else "")
def test_pages_show_the_files_as_they_are(path: str, shown: str) -> None:
    assert shown == (REPOSITORY / path).read_text("utf-8")


def test_every_file_with_content_is_on_a_page() -> None:
    files = {p for name in PACKAGES for p in (EXAMPLES / name).rglob("*") if p.suffix in (".py", ".toml")}
    wanted = {str(p.relative_to(REPOSITORY)) for p in files if p.name != "__init__.py"}
    assert {path for path, _ in _shown()} == wanted


@pytest.mark.parametrize("name", GUIDES)
def test_commands_of_the_pages(name: str, shell: Shell, tmp_path: Path) -> None:
    blocks = _COMMANDS.findall(_page(name))
    assert blocks
    if name == "add-a-scorer":
        _charts(tmp_path / "charts" / "chartqa_exact")
    shell("\n".join(blocks))


def test_the_benchmark(shell: Shell, tmp_path: Path) -> None:
    shell("python -m clock_pairs.draw data")
    rows = [json.loads(line) for line in (tmp_path / "data/clock_pairs/test.jsonl").read_text().splitlines()]
    assert len(rows) == 40 and len({row["image"] for row in rows}) == 40
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        hours = [int(row["answer"].split()[0]) for row in (first, second)]
        assert sum(hours) == 12 and first["pair"] == second["pair"]  # an hour and its mirror image
        assert first["options"] == second["options"] and len(set(first["options"])) == 4
    listed = json.loads(shell("cambrian-eval list --json").stdout)["benchmarks"]
    (mine,) = [b for b in listed if b["name"] == "clock_pairs"]
    assert mine["category"] == "Vision-Centric" and mine["rows"] == 40 and mine["scorers"] == ["fuzzy", "official"]
    shown = shell("cambrian-eval show clock_pairs --data-root data --n 2 --images seen").stdout
    sample = _page("add-a-benchmark").partition("```text\nClock pairs")[2].partition("```")[0]
    assert shown.startswith(f"Clock pairs{sample}".rstrip("\n"))
    assert sorted(p.name for p in (tmp_path / "seen").iterdir()) == ["clock_pairs-0a-1.png", "clock_pairs-0b-1.png"]


def test_its_scores_worked_out_by_hand(shell: Shell, tmp_path: Path) -> None:
    """Pair 0 right, pair 1 half right, pair 2 unreadable, all others wrong: one pair and three questions of forty."""
    shell("python -m clock_pairs.draw data")
    rows = [json.loads(line) for line in (tmp_path / "data/clock_pairs/test.jsonl").read_text().splitlines()]
    replies = []
    for i, row in enumerate(rows):
        right = row["options"].index(row["answer"])
        letter = "ABCD"[right if i in (0, 1, 2) else (right + 1) % 4]
        reply = f"It is {row['answer']}." if i == 0 else "" if i in (4, 5) else f"({letter})"
        replies.append({"id": row["id"], "response": reply})
    (tmp_path / "replies.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies))
    shell("cambrian-eval import replies.jsonl --benchmark clock_pairs --data-root data --out run")
    found = _results(tmp_path / "run")
    fuzzy, official = found["on", "fuzzy"], found["on", "official"]
    assert fuzzy["score"] == pytest.approx(100 / 20)
    assert fuzzy["breakdown"]["question_accuracy"] == pytest.approx(100 * 3 / 40)
    assert fuzzy["breakdown"]["dial=white"] == pytest.approx(100 / 5)  # the first five pairs have white dials
    assert fuzzy["chance"] == pytest.approx(100 / 16) and fuzzy["n_unparsed"] == 2 and fuzzy["complete"]
    assert official["score"] == 0.0  # "It is ..." begins with an I
    assert official["breakdown"]["question_accuracy"] == pytest.approx(100 * 2 / 40)


def test_the_model(shell: Shell, tmp_path: Path) -> None:
    shell("python -m clock_pairs.draw data; python -m clock_pairs.draw train 1")
    shell("python -m nearest_clock train/clock_pairs/test.jsonl clocks.npz; cp clocks.npz moved.npz")
    run = "cambrian-eval run --benchmark clock_pairs --data-root data"
    shell(f"{run} --model nearest:clocks.npz --vision on,off --out a --batch-size 1")
    found = _results(tmp_path / "a")
    assert found["on", "fuzzy"]["score"] == 100.0 and found["off", "fuzzy"]["score"] == 0.0
    shell(f"{run} --model nearest:moved.npz --vision on,off --out b --batch-size 7")
    for name in ("clock_pairs.on.jsonl", "clock_pairs.off.jsonl"):
        one, seven = (_answers(tmp_path / folder / "responses" / name) for folder in ("a", "b"))
        assert one == seven and len(one) == 40  # neither batches nor the place of the weights change a request
    shell("python -m nearest_clock data/clock_pairs/test.jsonl clocks.npz")
    assert "fingerprint" in shell(f"{run} --model nearest:clocks.npz --vision on,off --out a", code=2).stderr


def _answers(path: Path) -> dict[str, tuple[str, str]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {line["id"]: (line["key"], line["text"]) for line in lines}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nearest:", "no weights named"),
        ("nearest:nowhere.npz", "nowhere.npz has no weights"),
        ("nearest:clocks.npz --dtype float16", "has no option 'dtype' (its options: batch_size)"),
        ("nearest:clocks.npz -M batch_size=many", "option batch_size must be an integer of at least 1"),
    ],
)
def test_the_model_refuses_in_one_line(asked: str, said: str, shell: Shell) -> None:
    shell("python -m clock_pairs.draw data")
    done = shell(f"cambrian-eval run --benchmark clock_pairs --data-root data --out r --model {asked}", code=2)
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_questions_without_options_are_failed_and_counted(shell: Shell, tmp_path: Path) -> None:
    shell("python -m clock_pairs.draw data; python -m nearest_clock data/clock_pairs/test.jsonl clocks.npz")
    shell("cambrian-eval run --benchmark chartqa --data mini:4 --out r --model nearest:clocks.npz", code=1)
    result = _results(tmp_path / "r")["on", "fuzzy"]
    assert result["n_failed"] == result["n"] == 4 and any("lists no options" in note for note in result["notes"])


@pytest.mark.parametrize(
    ("gold", "reply", "fuzzy", "exact"),
    [
        ("200", "about 204", 1.0, 0.0),
        ("200", "200.0", 1.0, 1.0),
        ("1,000", "1000", 1.0, 1.0),
        ("Yes", "yes.", 1.0, 1.0),
    ],
)
def test_the_scorer(gold: str, reply: str, fuzzy: float, exact: float, shell: Shell, tmp_path: Path) -> None:
    row = {"type": "human", "question": "How many?", "answer": gold, "prediction": reply}
    (tmp_path / "row.jsonl").write_text(json.dumps(row) + "\n")
    for scorer, value in (("fuzzy", fuzzy), ("exact", exact)):
        done = shell(f"cambrian-eval grade row.jsonl --benchmark chartqa_exact --scorer {scorer} --json")
        assert json.loads(done.stdout)["verdicts"][0]["value"] == value


def _charts(home: Path) -> None:
    """Eight drawn charts with questions, in the layout `--data-root` reads."""
    from cambrian_eval.demo import miniature

    home.mkdir(parents=True)
    with (home / "test.jsonl").open("w", encoding="utf-8") as file:
        for i, row in enumerate(miniature.rows("chartqa", 8)):
            (home / f"{i}.png").write_bytes(row["image"]["bytes"])
            file.write(json.dumps({**row, "image": f"{i}.png"}) + "\n")
