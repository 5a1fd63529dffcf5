"""Image cells of every form in every kind of table: the image is seen, or the sample fails with its reason."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.adversity.situation import Failed, Handled, Refused, Seen, Situation, ask, gray, lines, page
from tests.conftest import write_parquet

N, BAD = 4, 2
"""Rows of a table, and the one whose cell is of the form at hand."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


Form = Callable[[Path, int], Any]
"""An image cell for row i of the table in a folder."""


def png_of_16_bits(i: int) -> bytes:
    """Gray PNG of 16 bits for each pixel, written by hand."""
    from tests.adversity.situation import level

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + struct.pack(">H", level(i) * 257) * 24) * 24
    header = struct.pack(">IIBBBBB", 24, 24, 16, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def file(folder: Path, i: int, name: str = "{}.png", data: bytes | None = None) -> Path:
    path = folder / name.format(i)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gray(i) if data is None else data)
    return path


def relative(folder: Path, i: int, name: str = "{}.png", data: bytes | None = None) -> str:
    return str(file(folder, i, name, data).relative_to(folder))


TEXTS: dict[str, Form] = {
    "a path": relative,
    "a path in a sub-folder": lambda f, i: relative(f, i, "pages/of/{}.png"),
    "a path with ./": lambda f, i: "./" + relative(f, i),
    "a path with .. inside": lambda f, i: f"pages/../{relative(f, i, 'pages/{}.png')}",
    "a path with blanks": lambda f, i: relative(f, i, "page {} of it.png"),
    "a path with umlauts": lambda f, i: relative(f, i, "Prüfung {}.png"),
    "a path with a percent sign": lambda f, i: relative(f, i, "50%20{}.png"),
    "a path with a colon": lambda f, i: relative(f, i, "page:{}.png"),
    "a path without a suffix": lambda f, i: relative(f, i, "page{}"),
    "a path with the wrong suffix": lambda f, i: relative(f, i, "{}.txt"),
    "an absolute path": lambda f, i: str(file(f, i)),
    "a file URL": lambda f, i: f"file://{file(f, i)}",
    "a file URL with localhost": lambda f, i: f"file://localhost{file(f, i)}",
    "a file URL with %20": lambda f, i: f"file://{file(f, i, 'page {}.png')}".replace(" ", "%20"),
    "base64": lambda f, i: b64(gray(i)),
    "base64 with line breaks": lambda f, i: base64.encodebytes(gray(i)).decode(),
    "base64 with CRLF": lambda f, i: base64.encodebytes(gray(i)).decode().replace("\n", "\r\n"),
    "base64 without padding": lambda f, i: b64(gray(i)).rstrip("="),
    "base64 for URLs": lambda f, i: base64.urlsafe_b64encode(gray(i)).decode(),
    "base64 of a JPEG": lambda f, i: b64(gray(i, "JPEG")),
    "base64 of a GIF": lambda f, i: b64(gray(i, "GIF")),
    "base64 of a WebP": lambda f, i: b64(gray(i, "WEBP", lossless=True)),
    "base64 of a BMP": lambda f, i: b64(gray(i, "BMP")),
    "base64 of a TIFF": lambda f, i: b64(gray(i, "TIFF")),
    "base64 of a megabyte": lambda f, i: b64(gray(i) + bytes(1 << 20)),
    "a data URL": lambda f, i: "data:image/png;base64," + b64(gray(i)),
    "a data URL of a JPEG": lambda f, i: "data:image/jpeg;base64," + b64(gray(i, "JPEG")),
    "a data URL without a type": lambda f, i: "data:;base64," + b64(gray(i)),
    "a data URL with a charset": lambda f, i: "data:image/png;charset=utf-8;base64," + b64(gray(i)),
}
OBJECTS: dict[str, Form] = {
    "bytes as base64": lambda f, i: {"bytes": b64(gray(i))},
    "bytes as base64 beside a path": lambda f, i: {"bytes": b64(gray(i)), "path": "gone.png"},
    "bytes as base64 beside null": lambda f, i: {"bytes": b64(gray(i)), "path": None},
    "bytes as a list of numbers": lambda f, i: {"bytes": list(gray(i)), "path": None},
    "a path alone": lambda f, i: {"path": relative(f, i)},
    "a path beside null": lambda f, i: {"bytes": None, "path": relative(f, i)},
    "a path beside empty bytes": lambda f, i: {"bytes": "", "path": relative(f, i)},
    "a file URL as path": lambda f, i: {"bytes": None, "path": f"file://{file(f, i)}"},
    "a data URL as path": lambda f, i: {"path": "data:image/png;base64," + b64(gray(i))},
    "other keys too": lambda f, i: {"bytes": b64(gray(i)), "width": 24, "height": 24},
    "a list of one path": lambda f, i: [relative(f, i)],
    "a list of one object": lambda f, i: [{"bytes": b64(gray(i)), "path": None}],
}
BINARY: dict[str, Form] = {
    "bytes": lambda f, i: gray(i),
    "bytes of a JPEG": lambda f, i: gray(i, "JPEG"),
    "bytes and path": lambda f, i: {"bytes": gray(i), "path": "gone.png"},
    "bytes and null": lambda f, i: {"bytes": gray(i), "path": None},
    "null and a path": lambda f, i: {"bytes": None if i != 0 else gray(0), "path": relative(f, i)},
    "a list of one": lambda f, i: [{"bytes": gray(i), "path": None}],
}
ENCODED: dict[str, Callable[[int], bytes]] = {
    **{
        f"{kind} of mode {mode}": partial(gray, kind=kind, mode=mode)
        for kind, modes in (
            ("PNG", ("L", "LA", "P", "RGB", "RGBA")),
            ("JPEG", ("L", "RGB", "CMYK")),
            ("GIF", ("L", "P", "RGB")),
            ("BMP", ("L", "P", "RGB")),
            ("PPM", ("L", "RGB")),
            ("WEBP", ("RGB", "RGBA")),
            ("TIFF", ("L", "RGB", "RGBA", "CMYK")),
            ("TGA", ("L", "RGB")),
            ("ICO", ("RGB",)),
            ("JPEG2000", ("L", "RGB")),
        )
        for mode in modes
    },
    "PNG of 16 bits": png_of_16_bits,
    "a progressive JPEG": lambda i: gray(i, "JPEG", progressive=True),
    "a PNG with text behind its end": lambda i: gray(i) + b"<html>" * 100,
    "a PNG with EXIF rotation": lambda i: gray(
        i, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
}
BAD_TEXTS: dict[str, tuple[Any, str]] = {
    "null": (None, "image"),
    "empty text": ("", "image"),
    "blanks": ("  \n", "image"),
    "a path to nothing": ("gone.png", "gone.png|No such file"),
    "a folder": ("folder", "folder|regular file"),
    "the empty file": ("empty.png", "image"),
    "a text file": ("notes.txt", "not an image"),
    "a pipe": ("pipe.png", "not a regular file"),
    "a file larger than the memory": ("giant.png", "more than the limit"),
    "a truncated PNG": ("short.png", "image|truncated"),
    "an http URL": ("http://example.org/a.png", "--allow-urls"),
    "an https URL": ("https://example.org/a.png", "--allow-urls"),
    "an HTTPS URL in capitals": ("HTTPS://example.org/a.png", "--allow-urls"),
    "a data URL without base64": ("data:image/png,abc", "base64"),
    "a data URL without a comma": ("data:image/png;base64", "base64"),
    "an empty data URL": ("data:image/png;base64,", "image|base64"),
    "base64 with foreign characters": ("iVBORw0KGgo" + "\u00e4" * 40, "base64"),
    "base64 cut off": (b64(gray(1))[:41], "image|base64"),
    "base64 of text": (b64(b"not an image at all " * 300), "not an image"),
    "a long text": ("word " * 2000, "base64|path|image"),
    "millions of blanks in base64": ("A" + " " * 4_000_000 + "!", "base64"),
    "millions of equals signs": ("A" + "=" * 4_000_000, "base64"),
    "millions of slashes": ("/" * 4_000_000 + "!", "base64"),
    "a name longer than the system allows": ("x" * 300 + ".png", "name|long|image"),
    "base64 of an SVG": (
        "data:image/svg+xml;base64," + b64(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "not an image",
    ),
    "base64 of an EPS": (
        "data:application/postscript;base64," + b64(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "not an image",
    ),
    "base64 of a PDF": ("data:application/pdf;base64," + b64(b"%PDF-1.4\n1 0 obj\n"), "not an image"),
}
BAD_JSON: dict[str, tuple[Any, str]] = {
    "a number": (7, "int"),
    "a fraction": (0.5, "float"),
    "true": (True, "bool"),
    "an empty object": ({}, "object|keys"),
    "an object without bytes and path": ({"width": 3}, "width"),
    "null bytes and null path": ({"bytes": None, "path": None}, "neither"),
    "empty bytes": ({"bytes": ""}, "neither"),
    "a number as bytes": ({"bytes": 12}, "neither|bytes"),
    "numbers above 255": ({"bytes": [1, 256]}, "numbers from 0 to 255"),
    "negative numbers": ({"bytes": [-1]}, "numbers from 0 to 255"),
    "texts as numbers": ({"bytes": ["1", "2"]}, "numbers from 0 to 255"),
    "an object as path": ({"path": {"path": "0.png"}}, "neither|path"),
    "an empty list": ([], "image"),
    "a list of null": ([None], "image"),
    "a list of numbers": ([1, 2, 3], "int"),
    "a list of nothing that exists": (["gone.png"], "gone.png|No such file"),
}


def constant(cell: Any) -> Form:
    """The same cell in every row."""
    return lambda folder, i: cell


def encoded(encode: Callable[[int], bytes]) -> Form:
    """The bytes of an encoding, as `datasets` stores them."""
    return lambda folder, i: {"bytes": encode(i), "path": None}


def _extras(folder: Path) -> None:
    """What the bad cells name."""
    (folder / "folder").mkdir()
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not an image")
    (folder / "short.png").write_bytes(gray(BAD)[:40])
    os.mkfifo(folder / "pipe.png")
    (folder / "giant.png").touch()
    os.truncate(folder / "giant.png", 1 << 40)


def in_lines(form: Form, only: int | None, tmp: Path, **more: Any) -> Seen:
    """A JSONL table whose cells (or the one of row `only`) have the form."""
    folder = tmp / "data/docvqa"
    folder.mkdir(parents=True)
    if only is not None:
        _extras(folder)
    cells = [form(folder, i) if only in (None, i) else relative(folder, i) for i in range(N)]
    lines(folder / "rows.jsonl", [page(i, cell) for i, cell in enumerate(cells)])
    return ask(tmp / "data", tmp / "run", **more)


def in_parquet(form: Form, only: int | None, tmp: Path, **more: Any) -> Seen:
    """A Parquet table likewise; cells of other rows are of the same type."""
    folder = tmp / "data/docvqa"
    folder.mkdir(parents=True)
    if only is not None:
        _extras(folder)
    cells = [form(folder, i) if only in (None, i) else relative(folder, i) for i in range(N)]
    write_parquet(folder / "validation-0.parquet", [page(i, cell) for i, cell in enumerate(cells)], group=2)
    return ask(tmp / "data", tmp / "run", **more)


def in_saved(form: Form, only: int | None, tmp: Path, **more: Any) -> Seen:
    """A `save_to_disk` folder likewise."""
    import datasets

    folder, files = tmp / "data/docvqa", tmp / "files"
    files.mkdir(parents=True)
    if only is not None:
        _extras(files)
    rows = [page(i, form(files, i) if only in (None, i) else relative(files, i)) for i in range(N)]
    datasets.Dataset.from_list(rows).save_to_disk(folder)
    for one in files.iterdir():
        one.rename(folder / one.name)
    return ask(tmp / "data", tmp / "run", **more)


def saved_pillow(tmp: Path) -> Seen:
    """PIL images in a `save_to_disk` folder, with the feature that datasets has for them."""
    import datasets

    rows = [page(i, {"bytes": gray(i), "path": None}) for i in range(N)]
    made = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    made.save_to_disk(tmp / "data/docvqa")
    return ask(tmp / "data", tmp / "run")


def parquet_column(kind: Callable[[], Any], cells: Callable[[int], Any], tmp: Path, **more: Any) -> Seen:
    """A Parquet table whose image column has an Arrow type of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [page(i, None) for i in range(N)]
    table = pa.Table.from_pylist(rows).drop_columns(["image"])
    folder = tmp / "data/docvqa"
    folder.mkdir(parents=True)
    for i in range(N):
        file(folder, i)
    table = table.append_column("image", pa.array([cells(i) for i in range(N)], kind()))
    pq.write_table(table, folder / "validation-0.parquet")
    return ask(tmp / "data", tmp / "run", **more)


def _pa() -> Any:
    import pyarrow

    return pyarrow


COLUMNS: Mapping[str, tuple[Callable[[], Any], Callable[[int], Any], str | None]] = {
    "binary": (lambda: _pa().binary(), gray, None),
    "large binary": (lambda: _pa().large_binary(), gray, None),
    "large text": (lambda: _pa().large_string(), lambda i: f"{i}.png", None),
    "dictionary of texts": (lambda: _pa().dictionary(_pa().int32(), _pa().string()), lambda i: f"{i}.png", None),
    "struct in another order": (
        lambda: _pa().struct([("path", _pa().string()), ("bytes", _pa().binary())]),
        lambda i: {"path": None, "bytes": gray(i)},
        None,
    ),
    "struct of path alone": (lambda: _pa().struct([("path", _pa().string())]), lambda i: {"path": f"{i}.png"}, None),
    "list of binary": (lambda: _pa().list_(_pa().binary()), lambda i: [gray(i)], None),
    "large list of structs": (
        lambda: _pa().large_list(_pa().struct([("bytes", _pa().binary()), ("path", _pa().string())])),
        lambda i: [{"bytes": gray(i), "path": None}],
        None,
    ),
    "list of paths": (lambda: _pa().list_(_pa().string()), lambda i: [f"{i}.png"], None),
    "null": (lambda: _pa().null(), lambda i: None, "4 of 4 samples"),
    "binary, all null": (lambda: _pa().binary(), lambda i: None, "4 of 4 samples"),
    "text, all null": (lambda: _pa().string(), lambda i: None, "4 of 4 samples"),
    "struct, all null": (
        lambda: _pa().struct([("bytes", _pa().binary()), ("path", _pa().string())]),
        lambda i: None,
        "4 of 4 samples",
    ),
    "integers": (lambda: _pa().int64(), lambda i: i, "4 of 4 samples"),
    "floats": (lambda: _pa().float64(), float, "4 of 4 samples"),
    "booleans": (lambda: _pa().bool_(), lambda i: bool(i % 2), "4 of 4 samples"),
    "times": (lambda: _pa().timestamp("s"), lambda i: i, "4 of 4 samples"),
    "lists of integers": (lambda: _pa().list_(_pa().int64()), lambda i: [i], "4 of 4 samples"),
    "empty lists": (lambda: _pa().list_(_pa().binary()), lambda i: [], "4 of 4 samples"),
    "texts that are URLs": (lambda: _pa().string(), lambda i: f"http://example.org/{i}.png", "4 of 4 samples"),
}


def joined_tables(
    images: Callable[[int], dict[str, Any]], n: int, image_id: Callable[[int], Any], tmp: Path, **more: Any
) -> Seen:
    """GQA's questions and its table of images."""
    from tests.adversity.situation import WORDS

    root = tmp / "data/gqa"
    asked = [
        {"id": str(i), "imageId": image_id(i), "question": f"q{i}", "answer": WORDS[i], "fullAnswer": WORDS[i]}
        for i in range(N)
    ]
    write_parquet(root / "testdev_balanced_instructions/testdev-0.parquet", asked)
    write_parquet(root / "testdev_balanced_images/testdev-0.parquet", [images(i) for i in range(n)])
    return ask(tmp / "data", tmp / "run", "gqa", **more)


def _joined(identity: Callable[[int], Any]) -> Callable[[int], dict[str, Any]]:
    return lambda i: {"id": identity(i), "image": {"bytes": gray(i), "path": None}}


FEW = {"max_failures": 0.5}


def table() -> list[Situation]:
    """The rows of this area."""
    found: list[Situation] = []
    for name, form in {**TEXTS, **OBJECTS}.items():
        found.append(Situation(f"JSONL image: {name}", partial(in_lines, form, None), Handled(100.0)))
    for name, form in {**TEXTS, **BINARY}.items():
        found.append(Situation(f"Parquet image: {name}", partial(in_parquet, form, None), Handled(100.0)))
    for name in ("a path", "base64", "a data URL", "an absolute path"):
        act = partial(in_saved, TEXTS[name], None)
        if name != "an absolute path":
            found.append(Situation(f"saved image: {name}", act, Handled(100.0)))
    for name, form in BINARY.items():
        found.append(Situation(f"saved image: {name}", partial(in_saved, form, None), Handled(100.0)))
    found.append(Situation("saved image: Pillow", saved_pillow, Handled(100.0)))
    for name, encode in ENCODED.items():
        form = encoded(encode)
        found.append(Situation(f"encoded image: {name}", partial(in_parquet, form, None), Handled(100.0)))
    for name, (cell, reason) in {**BAD_TEXTS, **BAD_JSON}.items():
        form = constant(cell)
        found.append(
            Situation(f"JSONL, one bad image: {name}", partial(in_lines, form, BAD, **FEW), Failed(1, reason, 75.0))
        )
    for name, (cell, reason) in BAD_TEXTS.items():
        form = constant(cell)
        found.append(
            Situation(f"Parquet, one bad image: {name}", partial(in_parquet, form, BAD, **FEW), Failed(1, reason, 75.0))
        )
    for name in ("null", "an http URL", "a data URL without base64", "a path to nothing", "a text file", "a pipe"):
        cell, reason = BAD_TEXTS[name]
        form = constant(cell)
        found.append(
            Situation(f"saved, one bad image: {name}", partial(in_saved, form, BAD, **FEW), Failed(1, reason, 75.0))
        )
    for name in ("null", "an http URL", "a data URL without base64", "base64 with foreign characters"):
        form = constant(BAD_TEXTS[name][0])
        refusal = Refused(r"1 of 4 samples cannot be asked with vision on.*--vision off")
        found.append(Situation(f"JSONL, one bad image, none allowed: {name}", partial(in_lines, form, BAD), refusal))
        found.append(
            Situation(
                f"JSONL, one bad image, vision off: {name}",
                partial(in_lines, form, BAD, vision=["off"]),
                Handled(0.0),
            )
        )
    for name, (cell, _) in BAD_JSON.items():
        form = constant(cell)
        if name not in ("a list of nothing that exists",):
            refusal = Refused(r"4 of 4 samples cannot be asked with vision on.*--vision off")
            found.append(Situation(f"JSONL, all images bad: {name}", partial(in_lines, form, None), refusal))
    for name, (kind, cells, reason) in COLUMNS.items():
        expected = Handled(100.0) if reason is None else Refused(reason)
        found.append(Situation(f"Parquet image column: {name}", partial(parquet_column, kind, cells), expected))
    found += [
        Situation("joined: texts", partial(joined_tables, _joined(str), N, str), Handled(100.0)),
        Situation("joined: numbers", partial(joined_tables, _joined(int), N, int), Handled(100.0)),
        Situation("joined: texts to numbers", partial(joined_tables, _joined(int), N, str), Handled(100.0)),
        Situation("joined: numbers to texts", partial(joined_tables, _joined(str), N, int), Handled(100.0)),
        Situation(
            "joined: one image too few",
            partial(joined_tables, _joined(str), N - 1, str, **FEW),
            Failed(1, "no row with id '3'", 75.0),
        ),
        Situation(
            "joined: half of the images",
            partial(joined_tables, _joined(str), N // 2, str),
            Refused("2 of 4 samples cannot be asked"),
        ),
        Situation(
            "joined: no id fits",
            partial(joined_tables, _joined(lambda i: f"n{i}"), N, str),
            Refused("4 of 4 samples cannot be asked"),
        ),
        Situation(
            "joined: another name of the id",
            partial(joined_tables, lambda i: {"imageId": str(i), "image": {"bytes": gray(i)}}, N, str),
            Refused("'id'.*missing"),
        ),
        Situation(
            "joined: no image column",
            partial(joined_tables, lambda i: {"id": str(i), "other": 1}, N, str),
            Refused("image"),
        ),
        Situation(
            "joined: null images",
            partial(joined_tables, lambda i: {"id": str(i), "image": None}, N, str),
            Refused("4 of 4 samples cannot be asked"),
        ),
        Situation(
            "joined: the same id twice",
            partial(
                joined_tables, lambda i: {"id": str(i % 3), "image": {"bytes": gray(i)}}, N + 0, lambda i: str(i % 3)
            ),
            Refused("several rows with id '0'"),
        ),
    ]
    return found
