"""The example packages of the guides: the pages show them as they are, and every command of the pages works.

They are built and installed once, into a folder that only these tests use. `tests/docs` checks the rest of the pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "docs" / "examples"
PACKAGES = ("clock-pairs", "nearest-clock", "chartqa-exact", "outline-condition")
GUIDES = ("add-a-benchmark", "add-a-model", "add-a-scorer", "ablations")
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^<!-- example -->\n```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow  # it installs packages and starts many processes

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who has installed the packages."""
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
    assert mine["category"] == "Vision-Centric" and mine["rows"] == 40
    assert mine["scorers"] == ["fuzzy"]  # no released code, and `exact` is for ChartQA
    shown = shell("cambrian-eval show clock_pairs --data-root data --n 2 --images seen").stdout
    sample = _page("add-a-benchmark").partition("```text\nClock pairs")[2].partition("```")[0]
    assert shown.startswith(f"Clock pairs{sample}".rstrip("\n"))
    assert sorted(p.name for p in (tmp_path / "seen").iterdir()) == ["clock_pairs-0a-1.png", "clock_pairs-0b-1.png"]


def test_its_scores_worked_out_by_hand(shell: Shell, tmp_path: Path) -> None:
    """Pair 0 right, pair 1 half right, pair 2 unreadable, all others wrong: one pair and three questions of forty."""
    shell("python -m clock_pairs.draw data")
    rows = [json.loads(line) for line in (tmp_path / "data/clock_pairs/test.jsonl").read_text().splitlines()]
    responses = []
    for i, row in enumerate(rows):
        right = row["options"].index(row["answer"])
        letter = "ABCD"[right if i in (0, 1, 2) else (right + 1) % 4]
        response = f"It is {row['answer']}." if i == 0 else "" if i in (4, 5) else f"({letter})"
        responses.append({"id": row["id"], "response": response})
    (tmp_path / "responses.jsonl").write_text("".join(json.dumps(r) + "\n" for r in responses))
    shell("cambrian-eval import responses.jsonl --benchmark clock_pairs --data-root data --out run")
    found = _results(tmp_path / "run")
    assert list(found) == [("on", "fuzzy")]
    result = found["on", "fuzzy"]
    assert result["score"] == pytest.approx(100 / 20)
    assert result["breakdown"]["question_accuracy"] == pytest.approx(100 * 3 / 40)
    assert result["breakdown"]["dial=white"] == pytest.approx(100 / 5)  # the first five pairs have white dials
    assert result["chance"] == pytest.approx(100 / 16) and result["n_unparsed"] == 2 and result["complete"]


def test_a_benchmark_without_released_code_says_so(shell: Shell) -> None:
    shell("python -m clock_pairs.draw data")
    run = "cambrian-eval run --model chance --benchmark clock_pairs --data-root data --out run"
    assert "clock_pairs has no released scoring code" in shell(f"{run} --scorer official", code=2).stderr


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
    refused = shell(f"{run} --model nearest:clocks.npz --vision on,off --out a", code=2)
    assert "its files, version or server are no longer the same" in refused.stderr


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
    ("gold", "response", "fuzzy", "exact", "outcome"),
    [
        ("200", "about 204", 1.0, 0.0, "read"),
        ("200", "200.0", 1.0, 1.0, "read"),
        ("1,000", "1000", 1.0, 1.0, "read"),
        ("200", "$200", 1.0, 1.0, "read"),
        ("200", "hard to say", 0.0, 0.0, "unparsed"),
        ("Yes", "yes.", 1.0, 1.0, "read"),
    ],
)
def test_the_scorer(
    gold: str, response: str, fuzzy: float, exact: float, outcome: str, shell: Shell, tmp_path: Path
) -> None:
    row = {"type": "human", "question": "How many?", "answer": gold, "prediction": response}
    (tmp_path / "row.jsonl").write_text(json.dumps(row) + "\n")
    for scorer, value in (("fuzzy", fuzzy), ("exact", exact)):
        done = shell(f"cambrian-eval grade row.jsonl --benchmark chartqa --scorer {scorer} --json")
        (verdict,) = json.loads(done.stdout)["verdicts"]
        assert (verdict["value"], verdict["outcome"]) == (value, outcome)


def test_the_scorer_works_in_every_command_that_reads_verdicts(shell: Shell, tmp_path: Path) -> None:
    run = "cambrian-eval run --model baseline:most-frequent --data mini:12 --benchmark chartqa --quiet"
    shell(f"{run} --scorer fuzzy,exact --out a; {run} --seed 1 --out b; cambrian-eval score b --scorer exact")
    for folder in ("a", "b"):
        result = _results(tmp_path / folder)["on", "exact"]
        assert any("must be equal" in note for note in result["notes"])
    assert "chartqa" in shell("cambrian-eval compare a b --scorer exact").stdout
    agreed = json.loads(shell("cambrian-eval agreement a --a fuzzy --b exact --format json").stdout)
    assert "exact" in json.dumps(agreed)
    shell("cambrian-eval report a --scorer exact --out report --format png")
    assert "exact" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_the_scorer_leaves_out_other_benchmarks(shell: Shell, tmp_path: Path) -> None:
    run = "cambrian-eval run --model baseline:most-frequent --data mini:12 --benchmark chartqa,mmvp --quiet"
    shell(f"{run} --scorer fuzzy,exact --out a")
    stored = json.loads((tmp_path / "a" / "results.json").read_text("utf-8"))["results"]
    assert {(r["benchmark"], r["scorer"]) for r in stored} == {
        ("chartqa", "fuzzy"),
        ("chartqa", "exact"),
        ("mmvp", "fuzzy"),
    }
    assert "exact scores chartqa only" in shell("cambrian-eval score a --scorer exact --benchmark mmvp", code=2).stderr


def test_the_condition(shell: Shell, tmp_path: Path) -> None:
    """Outlines have the size of the originals, are dark where those have one color, and bright at their edges."""
    assert "outline " in shell("cambrian-eval list").stdout
    shell("python -m clock_pairs.draw data")
    script = """
        import sys
        from pathlib import Path
        import numpy as np
        from outline_condition import Outline
        from cambrian_eval.condition import Context
        from cambrian_eval.image import LazyImage
        from cambrian_eval.sample import Sample

        sample = Sample("0", 0, "?", images=(LazyImage.of(Path("data/clock_pairs/images/0a.png")),))
        (shown,) = Outline().apply(sample, Context([sample]))
        before, after = sample.images[0].load(), shown.load()
        assert before.size == after.size and shown.sha256 == Outline().apply(sample, Context([sample]))[0].sha256
        old, new = (np.asarray(image.convert("L")).astype(float)[1:-1, 1:-1] for image in (before, after))
        whole = np.asarray(before.convert("L")).astype(float)
        rows, columns = whole.shape
        near = [whole[1 + y : rows - 1 + y, 1 + x : columns - 1 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
        flat = np.all([shifted == old for shifted in near], axis=0)
        assert flat.any() and (new[flat] == 0).all() and new[~flat].mean() > 20
        assert list(Outline().apply(Sample("1", 1, "?"), Context([sample]))) == []
    """
    (tmp_path / "outlined.py").write_text(textwrap.dedent(script))
    shell("python outlined.py")


def test_the_condition_in_a_run_and_its_report(shell: Shell, tmp_path: Path) -> None:
    shell("cambrian-eval run --model chance --data mini:8 --benchmark mmvp --vision on,outline --out run --quiet")
    on, outlined = (
        [json.loads(line) for line in (tmp_path / f"run/responses/mmvp.{name}.jsonl").read_text().splitlines()]
        for name in ("on", "outline")
    )
    assert [line["prompt"] for line in on] == [line["prompt"] for line in outlined]
    assert [len(line["images"]) for line in on] == [len(line["images"]) for line in outlined] == [1] * 8
    assert not {h for line in on for h in line["images"]} & {h for line in outlined for h in line["images"]}
    assert ("outline", "fuzzy") in _results(tmp_path / "run")
    shell("cambrian-eval report run --out report --format png")
    assert "outline" in (tmp_path / "report" / "report.html").read_text("utf-8")
