"""The shared cache: many writers at a time, torn lines, and what a reader sees of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval import UserError
from cambrian_eval.scoring.judge.cache import KeptReply, ReplyCache


def reply(text: str) -> KeptReply:
    return KeptReply(text, "stop", 10, 1)


def test_writers_in_many_processes_lose_and_tear_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom cambrian_eval.scoring.judge.cache import KeptReply, ReplyCache\n"
        "cache = ReplyCache(Path(sys.argv[1]), 'm', 'local')\n"
        "for i in range(400):\n"
        "    cache.put(f'{sys.argv[2]}-{i}', KeptReply('x' * (i * 7 % 900) + sys.argv[2], 'stop', i, 1))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(w)]) for w in range(4)]
    assert [w.wait() for w in writers] == [0] * 4
    cache = ReplyCache(tmp_path, "m", "local")
    for w in range(4):
        for i in range(400):
            assert cache.get(f"{w}-{i}") == KeptReply("x" * (i * 7 % 900) + str(w), "stop", i, 1)
    assert len(cache.path.read_bytes().splitlines()) == 1600


def test_a_reader_sees_what_others_add_later(tmp_path: Path) -> None:
    one, other = ReplyCache(tmp_path, "m", "p"), ReplyCache(tmp_path, "m", "p")
    assert one.get("k") is None
    other.put("k", reply("CORRECT"))
    assert one.get("k") == reply("CORRECT")


@pytest.mark.parametrize("torn", [b'{"key": "z", "te', b"\x00\xff\n", b"{}\n", b'{"key": "a"}', b"\n\n"])
def test_a_torn_line_costs_only_itself(tmp_path: Path, torn: bytes) -> None:
    cache = ReplyCache(tmp_path, "m", "p")
    cache.put("a", reply("one"))
    with cache.path.open("ab") as file:
        file.write(torn)
    late = ReplyCache(tmp_path, "m", "p")
    late.put("b", reply("two"))
    fresh = ReplyCache(tmp_path, "m", "p")
    assert (fresh.get("a"), fresh.get("b"), fresh.get("z")) == (reply("one"), reply("two"), None)


@given(text=st.text())
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("cache")
    ReplyCache(folder, "m/n:o", "p").put("k", reply(text + "\ud800"))
    assert ReplyCache(folder, "m/n:o", "p").get("k") == reply(text + "\ud800")


def test_judges_are_kept_apart_whatever_their_names(tmp_path: Path) -> None:
    names = [("a/b", "p"), ("a-b", "p"), ("a-b", "q"), ("..", "p"), ("", "p")]
    for i, (model, place) in enumerate(names):
        ReplyCache(tmp_path, model, place).put("k", reply(str(i)))
    assert [ReplyCache(tmp_path, m, p).get("k") for m, p in names] == [reply(str(i)) for i in range(5)]
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="--judge-cache"):
        ReplyCache(tmp_path / "file", "m", "p")
