"""The shared cache of judge responses: concurrent writers, incomplete lines, readers that follow writers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval import UserError
from cambrian_eval.scoring.judge.cache import CachedResponse, ResponseCache


def response(text: str) -> CachedResponse:
    return CachedResponse(text, "stop", 10, 1)


def test_concurrent_writers_lose_and_damage_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from cambrian_eval.scoring.judge.cache import CachedResponse, ResponseCache\n"
        "cache = ResponseCache(Path(sys.argv[1]), 'm', 'local')\n"
        "for i in range(400):\n"
        "    cache.put(f'{sys.argv[2]}-{i}', CachedResponse('x' * (i * 7 % 900) + sys.argv[2], 'stop', i, 1))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(w)]) for w in range(4)]
    assert [w.wait() for w in writers] == [0] * 4
    cache = ResponseCache(tmp_path, "m", "local")
    for w in range(4):
        for i in range(400):
            assert cache.get(f"{w}-{i}") == CachedResponse("x" * (i * 7 % 900) + str(w), "stop", i, 1)
    assert len(cache.path.read_bytes().splitlines()) == 1600


def test_a_reader_sees_responses_that_others_add_later(tmp_path: Path) -> None:
    one, other = ResponseCache(tmp_path, "m", "p"), ResponseCache(tmp_path, "m", "p")
    assert one.get("k") is None
    other.put("k", response("CORRECT"))
    assert one.get("k") == response("CORRECT")


@pytest.mark.parametrize("incomplete", [b'{"key": "z", "te', b"\x00\xff\n", b"{}\n", b'{"key": "a"}', b"\n\n"])
def test_an_incomplete_line_costs_only_itself(tmp_path: Path, incomplete: bytes) -> None:
    cache = ResponseCache(tmp_path, "m", "p")
    cache.put("a", response("one"))
    with cache.path.open("ab") as file:
        file.write(incomplete)
    late = ResponseCache(tmp_path, "m", "p")
    late.put("b", response("two"))
    fresh = ResponseCache(tmp_path, "m", "p")
    assert (fresh.get("a"), fresh.get("b"), fresh.get("z")) == (response("one"), response("two"), None)


@given(text=st.text())
def test_any_text_is_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("cache")
    ResponseCache(folder, "m/n:o", "p").put("k", response(text + "\ud800"))
    assert ResponseCache(folder, "m/n:o", "p").get("k") == response(text + "\ud800")


def test_judges_have_separate_files_whatever_their_names(tmp_path: Path) -> None:
    names = [("a/b", "p"), ("a-b", "p"), ("a-b", "q"), ("..", "p"), ("", "p")]
    for i, (model, place) in enumerate(names):
        ResponseCache(tmp_path, model, place).put("k", response(str(i)))
    assert [ResponseCache(tmp_path, m, p).get("k") for m, p in names] == [response(str(i)) for i in range(5)]
    assert len(list(tmp_path.iterdir())) == 5


def test_an_unusable_folder_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="--judge-cache"):
        ResponseCache(tmp_path / "file", "m", "p")


def checked(values: str) -> bytes:
    """A line with a right checksum, whatever it contains."""
    import zlib

    body = values.encode()
    return body[:-1] + b', "sum": "%08x"}\n' % zlib.crc32(body)


@pytest.mark.parametrize(
    "values",
    [
        "{}",
        '{"key": 1, "text": "x", "finish": "stop", "prompt_tokens": 1, "new_tokens": 1}',
        '{"key": "h", "text": null, "finish": "stop", "prompt_tokens": 1, "new_tokens": 1}',
        '{"key": "h", "text": "x", "finish": "stop", "prompt_tokens": 1' + "0" * 400 + ', "new_tokens": 1}',
        '{"key": "h", "text": "x", "finish": "stop", "prompt_tokens": -1, "new_tokens": 1}',
        '{"key": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_a_hostile_line_with_a_right_checksum_costs_only_itself(tmp_path: Path, values: str) -> None:
    cache = ResponseCache(tmp_path, "m", "p")
    cache.put("a", response("one"))
    with cache.path.open("ab") as file:
        file.write(checked(values))
    cache.put("b", response("two"))
    fresh = ResponseCache(tmp_path, "m", "p")
    assert (fresh.get("a"), fresh.get("b"), fresh.get("h")) == (response("one"), response("two"), None)
