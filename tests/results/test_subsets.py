"""Subset files, and runs that have only the samples of a subset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cambrian_eval import run
from cambrian_eval.errors import UserError
from cambrian_eval.results import subsets
from cambrian_eval.results.subsets import Subset
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from tests.command import call
from tests.conftest import Scripted

CHOSEN = Subset("easy", {"ai2d": ("3", "1"), "mmvp": ()}, {"ai2d": 2374, "mmvp": 300}, {"made by": "hand"})


def test_a_subset_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = subsets.write(CHOSEN, subsets.location("easy"))
    assert path == Path("subsets/easy.json")
    assert subsets.read("easy") == subsets.read(str(path)) == CHOSEN
    assert CHOSEN.words("ai2d") == "subset easy: 2 of 2,374 rows"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "`name` is not text"),
        ({"ids": {"ai2d": ["1", "1"]}}, "`ids` is not an object"),
        ({"ids": {"ai2d": [1]}}, "`ids` is not an object"),
        ({"of": {"ai2d": 4}}, "`of` does not give"),
        ({"of": {"ai2d": 4, "mmvp": "9"}}, "`of` does not give"),
        ({"recipe": []}, "`recipe` is not an object"),
    ],
)
def test_a_damaged_subset_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = subsets.write(CHOSEN, tmp_path / "s.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=said):
        subsets.read(str(path))
    with pytest.raises(UserError, match="does not exist"):
        subsets.read(str(tmp_path / "t.json"))


def ids(path: Path, benchmark: str) -> list[str]:
    return [s.id for s in open_run(path).samples(benchmark)]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A run that is right on the questions with even numbers."""
    golds = {}

    class Half(Scripted):
        def observe(self, benchmark, samples) -> None:  # type: ignore[no-untyped-def]
            golds.update({(benchmark, s.id): s.answers[0] for s in samples})

    def answer(request) -> str:  # type: ignore[no-untyped-def]
        return golds[request.benchmark, request.id] if int(request.id) % 2 == 0 else "none of these"

    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.registry import load_benchmark

    for name in ("ai2d", "mmvp"):
        Half(answer).observe(name, load_samples(load_benchmark(name), DataSpec(mini=12)).samples)
    run(Scripted(answer), ["ai2d", "mmvp"], tmp_path / "whole", data="mini:12", vision=("on",))
    return tmp_path / "whole"


def test_a_run_is_scored_on_a_subset(whole: Path, tmp_path: Path) -> None:
    """Three right of four; the subset has half of a pair of mmvp, which is left out with a warning."""
    of_ai2d, of_mmvp = ids(whole, "ai2d"), ids(whole, "mmvp")
    even = [i for i in of_ai2d if int(i) % 2 == 0][:3]
    odd = [i for i in of_ai2d if int(i) % 2][:1]
    groups = {s.id: s.group for s in open_run(whole).samples("mmvp")}
    pairs = [i for i in of_mmvp if groups[i] == groups[of_mmvp[0]]]
    split = next(i for i in of_mmvp if groups[i] != groups[of_mmvp[0]])
    chosen = {"ai2d": tuple(even + odd), "mmvp": (*pairs, split), "mme": ("1",)}
    path = subsets.write(Subset("mine", chosen, dict.fromkeys(chosen, 12), {}), tmp_path / "mine.json")
    done = call("score", whole, "--subset", path, "--scorer", "fuzzy")
    assert done.returncode == 0, done.stderr
    made = open_run(tmp_path / "whole-mine")
    assert ids(made.path, "ai2d") == [i for i in of_ai2d if i in even + odd]
    assert ids(made.path, "mmvp") == pairs
    result = next(r for r in made.results() if r.benchmark == "ai2d")
    assert (result.score, result.n, result.complete) == (75.0, 4, False)
    assert result.subset == "subset mine: 4 of 12 rows" and result.subset in done.stdout
    assert any(
        "1 pairs or groups are only partly in subset mine" in w for w in made.info["benchmarks"]["mmvp"]["warnings"]
    )
    assert set(made.responses(Cell("ai2d", "on"))) == set(even + odd)
    verified = call("verify", made.path)
    assert verified.returncode == 0, verified.stdout
    shown = call("table", made.path)
    assert "subset mine: 4 of 12 rows" in shown.stdout
    again = call("score", whole, "--subset", path)
    assert again.returncode == 2 and "is a run already" in again.stderr
    assert "--out is for --subset" in call("score", whole, "--out", tmp_path / "x").stderr


def test_only_the_samples_of_a_subset_are_run(whole: Path, tmp_path: Path) -> None:
    of_ai2d = ids(whole, "ai2d")
    path = subsets.write(Subset("few", {"ai2d": tuple(of_ai2d[2:5])}, {"ai2d": 12}, {}), tmp_path / "few.json")
    words = ("run", "--model", "chance", "--benchmark", "ai2d", "--data", "mini:12", "--scorer", "fuzzy", "--quiet")
    done = call(*words, "--subset", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert ids(tmp_path / "run", "ai2d") == of_ai2d[2:5]
    assert "subset few: 3 of 12 rows" in done.stdout
    assert call("verify", tmp_path / "run").returncode == 0
    resumed = call(*words, "--out", tmp_path / "run")
    assert resumed.returncode == 2 and "ai2d subset: few -> all samples" in resumed.stderr
    other = subsets.write(Subset("few", {"ai2d": ("no such",)}, {"ai2d": 12}, {}), tmp_path / "other.json")
    absent = call(*words, "--subset", other, "--out", tmp_path / "other")
    assert absent.returncode == 2 and "1 of 1 samples of subset few are not in the data" in absent.stderr
    wrong = call(*[w.replace("ai2d", "mmvp") for w in words], "--subset", path, "--out", tmp_path / "wrong")
    assert wrong.returncode == 2 and "subset few has no samples of mmvp; it has samples of: ai2d" in wrong.stderr
