"""Every usual form of an image cell is read; any other form is an image with a reason."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.data.cells import image_cell
from cambrian_eval.errors import UserError
from tests.conftest import png

CONTENT = png(7)
TEXT = base64.b64encode(CONTENT).decode()

FORMS: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: CONTENT,
    "path": lambda folder: "a picture.png",
    "Path": lambda folder: Path("a picture.png"),
    "absolute path": lambda folder: str(folder / "a picture.png"),
    "file URL": lambda folder: f"file://{folder}/a%20picture.png",
    "base64": lambda folder: TEXT,
    "base64 without padding": lambda folder: TEXT.rstrip("="),
    "base64 for URLs": lambda folder: TEXT.replace("+", "-").replace("/", "_"),
    "base64 in lines": lambda folder: "\n".join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76)),
    "data URL": lambda folder: f"data:image/png;base64,{TEXT}",
    "object with bytes": lambda folder: {"bytes": CONTENT, "path": "gone.png"},
    "object with base64": lambda folder: {"bytes": TEXT, "path": None},
    "object with numbers": lambda folder: {"bytes": list(CONTENT), "path": None},
    "object with a path": lambda folder: {"bytes": None, "path": "a picture.png"},
    "object with a path alone": lambda folder: {"path": "a picture.png"},
}


@pytest.mark.parametrize("form", FORMS)
def test_usual_forms(form: str, tmp_path: Path) -> None:
    (tmp_path / "a picture.png").write_bytes(CONTENT)
    image = image_cell(FORMS[form](tmp_path), (tmp_path,))
    assert image.problem is None
    assert image.data() == CONTENT
    [again] = image_cell([FORMS[form](tmp_path)], (tmp_path,))
    assert again.load().size == (64, 64)


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_empty_cells_are_no_image(empty: str | None, tmp_path: Path) -> None:
    assert image_cell(empty, (tmp_path,)) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (3, "holds a int"),
        (2.5, "holds a float"),
        (True, "holds a bool"),
        ({"bytes": None, "path": None}, "neither"),
        ({"bytes": [1, 999]}, "from 0 to 255"),
        ({"width": 3}, "keys width"),
        ({}, "keys none"),
        ("http://127.0.0.1:1/x.png", "--allow-urls"),
        ("data:text/plain,hello", "without base64"),
        ("data:image/png;base64,@@@@", "neither a path nor valid base64"),
        ("x/" * 4000, "cannot be decoded|not a path|not an image"),
    ],
)
def test_other_forms_have_a_reason(value: object, reason: str, tmp_path: Path) -> None:
    image = image_cell(value, (tmp_path,))
    with pytest.raises(ValueError, match=reason):
        image.load()


def test_a_large_base64_text_is_not_a_path(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    text = "A" * 8 + base64.b64encode(content).decode()  # begins like no known format; still too long for a path
    assert image_cell(text, (tmp_path,)).data() == b"\0" * 6 + content


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd", "file:///etc/passwd", {"path": "../outside.png"}])
def test_paths_stay_inside_the_folder(path: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves the data folder"):
        image_cell(path, (tmp_path,))


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="not a regular file"):
        image_cell("pipe.png", (tmp_path,)).data()


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "giant.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="more than the limit"):
        image_cell("giant.png", (tmp_path,)).data()


def test_urls_are_downloaded_where_allowed(tmp_path: Path) -> None:
    import functools
    import http.server
    import threading

    (tmp_path / "a.png").write_bytes(CONTENT)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        assert image_cell(f"{address}/a.png", (tmp_path,), urls=True).data() == CONTENT
        with pytest.raises(OSError, match="404"):
            image_cell(f"{address}/gone.png", (tmp_path,), urls=True).data()
    finally:
        server.shutdown()
        server.server_close()


def test_formats_that_start_other_programs_are_refused() -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ValueError, match="not an image in a known format"):
        image_cell(eps, ()).load()
