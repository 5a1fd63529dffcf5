"""`run --cache FILE` and `cambrian-eval cache`: what is asked again, what is not, and who may share a file."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import UserError, run
from cambrian_eval.running.cache import ResponseCache
from cambrian_eval.running.records import Cell
from cambrian_eval.running.settings import RunOutcome
from cambrian_eval.sample import Request, Response
from tests.command import call, refused
from tests.conftest import Scripted, answer_number

CELL = Cell("docvqa", "on")


class Counted(Scripted):
    """Answers rightly, and counts the requests."""

    def __init__(self, fingerprint: str = "counted-1", answer: Any = answer_number) -> None:
        self.asked: list[str] = []

        def note(request: Request) -> str:
            self.asked.append(request.id)
            return str(answer(request))

        super().__init__(note)
        self.fingerprint = fingerprint


def start(model: Any, root: Path, out: Path, cache: Path | None, **more: Any) -> RunOutcome:
    return run(model, ["docvqa"], out, data_root=root, cache=cache, **more)


def test_only_what_is_new_is_asked(docvqa_root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "cache.sqlite"
    first, second, third = Counted(), Counted(), Counted()
    start(first, docvqa_root, tmp_path / "a", cache, limit=20)
    done = start(second, docvqa_root, tmp_path / "b", cache)
    assert (len(first.asked), len(second.asked), done.n_cached) == (20, 40, 20)
    assert not set(first.asked) & set(second.asked) and done.results[0].score == 100.0
    records = done.run.stored.responses(CELL)
    assert [records[i].notes.get("cached") for i in (first.asked[0], second.asked[0])] == [True, None]
    info = json.loads((tmp_path / "b/run.json").read_text())
    assert info["passes"][-1]["cached"] == 20
    again = start(third, docvqa_root, tmp_path / "c", cache, vision=["on", "off"])
    assert len(third.asked) == 60 and again.n_cached == 60, "without images it is another request"
    plain = start(fourth := Counted(), docvqa_root, tmp_path / "d", None)
    assert len(fourth.asked) == 60 and plain.n_cached is None


def test_another_model_prompt_or_limit_is_another_request(docvqa_root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    start(Counted(), docvqa_root, tmp_path / "a", cache)
    for i, (model, more) in enumerate(
        [(Counted("counted-2"), {}), (Counted(), {"max_new_tokens": 7}), (Counted(), {"seed": 1})]
    ):
        done = start(model, docvqa_root, tmp_path / f"b{i}", cache, **more)
        assert len(model.asked) == 60 and done.n_cached == 0


def test_failed_requests_are_asked_again(docvqa_root: Path, tmp_path: Path) -> None:
    def broken(request: Request) -> str:
        if request.id in ("3", "4"):
            raise ValueError("no luck")
        return answer_number(request)

    cache = tmp_path / "cache.sqlite"
    assert start(Counted(answer=broken), docvqa_root, tmp_path / "a", cache).n_failed == 2
    second = Counted()
    done = start(second, docvqa_root, tmp_path / "b", cache)
    assert sorted(second.asked) == ["3", "4"] and done.n_failed == 0


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    code = (
        "import sys\nfrom pathlib import Path\nfrom cambrian_eval.running.cache import ResponseCache\n"
        "from cambrian_eval.sample import Response\n"
        "cache, first = ResponseCache(Path(sys.argv[1])), int(sys.argv[2])\n"
        "for i in range(first, first + 300):\n    cache.put(f'key {i}', 'm', Response('x', f'text {i}'))\n"
    )
    work = [subprocess.Popen([sys.executable, "-c", code, str(path), str(1000 * i)]) for i in range(3)]
    assert [process.wait(60) for process in work] == [0, 0, 0]
    cache = ResponseCache(path)
    found = cache.get([f"key {1000 * i + j}" for i in range(3) for j in range(300)])
    assert len(found) == 900 and found["key 2299"].text == "text 2299"
    cache.close()


def test_stats_and_prune(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = ResponseCache(path)
    for i in range(5):
        cache.put(f"a{i}", "a", Response("1", "yes"))
    cache.put("b", "b", Response("1", "no"))
    cache.put("c", "b", Response("1", "lone \ud800"))
    cache.close()
    found = json.loads(call("cache", "stats", path, "--json").stdout)
    assert found["responses"] == 6 and [(m["model"], m["responses"]) for m in found["models"]] == [("a", 5), ("b", 1)]
    assert "6 responses" in call("cache", "stats", path).stdout
    assert "5 responses removed" in call("cache", "prune", path, "--model", "a").stdout
    assert "0 responses removed" in call("cache", "prune", path, "--unused-days", 1).stdout
    assert "1 responses removed" in call("cache", "prune", path, "--unused-days", 0).stdout
    assert "give --unused-days" in refused("cache", "prune", path)
    assert "it has: none" in refused("cache", "prune", path, "--model", "z")
    assert "is not a file" in refused("cache", "stats", tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"not a database at all, but a text of some length" * 50, None])
def test_a_file_of_another_kind_is_refused_and_unchanged(docvqa_root: Path, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "cache.sqlite"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE theirs (a)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match="name another file"):
        start(Counted(), docvqa_root, tmp_path / "a", path)
    assert path.read_bytes() == before


def test_a_model_that_sees_other_samples_cannot_be_cached(docvqa_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot use --cache"):
        start("chance", docvqa_root, tmp_path / "a", tmp_path / "cache.sqlite")
