"""Reads tables from disk: Parquet, JSONL with image paths, and `save_to_disk` folders.

Parquet images are read a row group at a time, when asked, with a few groups kept. A file written as one huge
row group cannot be read that way; its images are copied once, in a stream, to a temporary file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cambrian_eval.data.cells import image_cell
from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.data.spilled import Spilled
from cambrian_eval.data.table import Table
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import IMAGE_COLUMN, LazyImage

KEPT_BYTES = 96 << 20
"""Encoded images kept from row groups read lately."""
LARGE_GROUP = 128 << 20
"""A row group with more image bytes than this is spilled instead of read whole."""
LARGEST_GROUP = 1 << 30
"""A row group whose image cells unfold to more bytes than this is not read."""
LARGEST_TEXT = 16 << 20
"""Bytes of a cell that holds no image."""
MOST_TEXT = 2 << 30
"""Bytes of a column of one file that holds no images."""


SOME = object()
"""Stands for bytes of an image that are read when they are needed."""


def read_parquet(files: Sequence[Path], root: Path, urls: bool = False) -> Table:
    """One table over all files, in name order; texts in image columns are paths below the folder."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    reader = _GroupReader((root,), urls)
    for number, path in enumerate(files):
        try:
            file = reader.open(path)
            found = file.schema_arrow.names
            if twice := sorted({n for n in found if found.count(n) > 1}):
                raise UserError(f"{path}: column {twice[0]!r} occurs twice; remove one of them")
            images = [f.name for f in file.schema_arrow if _holds_images(f.type)]
            text = [n for n in found if n not in images]
            if number and set(found) != set(columns):
                raise UserError(f"{path} has other columns than {files[0].name}; one folder must hold one table")
            for name in text:
                values = _texts(file, name)
                columns.setdefault(name, []).extend(
                    [image_cell(v, (root,), urls) for v in values] if IMAGE_COLUMN.fullmatch(name) else values
                )
            for name in images:
                columns.setdefault(name, []).extend(reader.promises(path, name))
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = one_line(error, 200)
            raise UserError(f"{path} is not a readable Parquet file: {reason}; download or write it again") from error
    return Table(columns)


def _texts(file: Any, column: str) -> list[Any]:
    """The values of a column that holds no images, read in batches whose size is bounded.

    A few bytes of a file can unfold to gigabytes (compression, dictionaries). A cell that is too large becomes an
    image that cannot be read: an error where it is used, and nothing where its column is not.
    """
    found: list[Any] = []
    left = MOST_TEXT
    for group in range(file.num_row_groups):
        if _chunk_size(file, group, column) > left:
            break
        for batch in _batches(file, group, column):
            left -= batch.nbytes
            if left < 0:
                break
            whole = batch.nbytes <= LARGEST_TEXT
            found += batch.to_pylist() if whole else [_text_cell(batch.slice(i, 1)) for i in range(len(batch))]
        if left < 0:
            break
    unread = LazyImage.unreadable(f"column {column!r} has more than {MOST_TEXT} bytes")
    return found + [unread] * (file.metadata.num_rows - len(found))


def _text_cell(cell: Any) -> Any:
    """The value of an array of length 1, unless it is too large."""
    if cell.nbytes > LARGEST_TEXT:
        return LazyImage.unreadable(f"a cell of {cell.nbytes} bytes, more than the limit of {LARGEST_TEXT}")
    return cell.to_pylist()[0]


def _chunk_size(file: Any, group: int, column: str) -> int:
    """Bytes of one column in a row group after decompression; values in dictionaries count once."""
    meta = file.metadata.row_group(group)
    chunks = [meta.column(i) for i in range(meta.num_columns)]
    return sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] == column)


def _batches(file: Any, group: int, column: str) -> Iterator[Any]:
    """The arrays of one column in a row group, so few rows at a time that even repeated values fit into memory."""
    rows = min(1024, max(1, 2 * LARGE_GROUP // max(1, _chunk_size(file, group, column))))
    for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=[column]):
        yield batch.column(0)


def _holds_images(kind: Any) -> bool:
    """Whether an Arrow type is bytes, {bytes, path} or a list of those."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_images(kind.value_type)
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


class _GroupReader:
    """Image columns of Parquet files by row group, with the groups read lately kept."""

    def __init__(self, roots: Sequence[Path], urls: bool) -> None:
        self._roots, self._urls = roots, urls
        self._files: dict[Path, Any] = {}
        self._kept: OrderedDict[tuple[Path, int, str], tuple[list[Any], int]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: Path) -> Any:
        import pyarrow.parquet as pq

        self._files[path] = pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
        return self._files[path]

    def promises(self, path: Path, column: str) -> list[Any]:
        """For every row: an Image, a list of Images, or None, without holding any image's bytes."""
        file = self._files[path]
        found: list[Any] = []
        for group in range(file.num_row_groups):
            if _chunk_size(file, group, column) > LARGE_GROUP:
                found.extend(_spill(file, group, column, self._bytes))
                continue
            read = partial(self._read, (path, group, column))
            for row, shape in enumerate(self._shapes(path, group, column)):
                found.append(_promise(read, row, shape))
        return found

    def _shapes(self, path: Path, group: int, column: str) -> list[Any]:
        """Per row: None for no image, `SOME` for bytes to be read later, an image that has no bytes, or a list.

        Reads the paths beside the bytes alone, unless some of the bytes are null.
        """
        file = self._files[path]
        meta = file.metadata.row_group(group)
        chunks = {c.path_in_schema: c for c in map(meta.column, range(meta.num_columns))}
        mine = {leaf: c for leaf, c in chunks.items() if leaf.split(".")[0] == column}
        paths = [leaf for leaf in mine if leaf.endswith(".path")]
        stated = [c.statistics for leaf, c in mine.items() if leaf.endswith(".bytes")]
        if paths and not any(s is not None and s.has_null_count and s.null_count for s in stated):
            values = file.read_row_group(group, columns=paths).column(column).to_pylist()
            return [None if v is None else [SOME] * len(v) if isinstance(v, list) else SOME for v in values]
        values = self._values(path, group, column)
        return [
            None if v is None else [self._shape(x) for x in v] if isinstance(v, list) else self._shape(v)
            for v in values
        ]

    def _shape(self, value: Any) -> Any:
        """`SOME` where a cell holds bytes, else what its path or its emptiness makes it."""
        return SOME if _has_bytes(value) else _without_bytes(value, self._roots, self._urls)

    def _read(self, chunk: tuple[Path, int, str], row: int, member: int | None) -> bytes:
        """The bytes of the image of a row, or of a member of its list."""
        value = self._values(*chunk)[row]
        path, group, _ = chunk
        return self._bytes(value if member is None else value[member], f"{path.name} row group {group} row {row}")

    def _bytes(self, value: Any, name: str) -> bytes:
        return _bytes(value, name, self._roots, self._urls)

    def _values(self, path: Path, group: int, column: str) -> list[Any]:
        key = (path, group, column)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            values: list[Any] = []
            size = 0
            for array in _batches(self._files[path], group, column):
                size += array.nbytes
                if size > LARGEST_GROUP:
                    raise ValueError(f"{path.name}: row group {group} unfolds to more than {LARGEST_GROUP} bytes")
                values += array.to_pylist()
            self._kept[key] = values, size
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
            return values


class _Cell:
    """Reads the image of a row, or of a member of its list; a `partial` takes four times the memory."""

    __slots__ = ("_member", "_read", "_row")

    def __init__(self, read: Callable[[int, int | None], bytes], row: int, member: int | None) -> None:
        self._read, self._row, self._member = read, row, member

    def __call__(self) -> bytes:
        return self._read(self._row, self._member)


def _promise(read: Callable[[int, int | None], bytes], row: int, shape: Any) -> Any:
    """The images of a row, none of them read yet; `read` takes the row and the member of its list."""
    if shape is SOME:
        return LazyImage(_Cell(read, row, None))
    if isinstance(shape, list):
        return [LazyImage(_Cell(read, row, i)) if s is SOME else s for i, s in enumerate(shape)]
    return shape


def _bytes(value: Any, name: str, roots: Sequence[Path], urls: bool) -> bytes:
    """The encoded bytes of one cell, which may name a file below the roots instead of holding bytes."""
    held = value.get("bytes") if type(value) is dict else value
    if type(held) is bytes and held:
        return held
    image = image_cell(value, roots, urls)
    if image is None or value == b"":
        raise ValueError(f"{name}: the image cell holds no bytes")
    data: bytes = image.data()
    return data


def _spill(file: Any, group: int, column: str, read: Callable[[Any, str], bytes]) -> list[Any]:
    """Copies one large row group's images to a temporary file in a stream."""
    spilled = Spilled()
    found: list[Any] = []
    for array in _batches(file, group, column):
        for value in array.to_pylist():
            if isinstance(value, list):
                found.append([spilled.keep(read(v, column)) for v in value])
            else:
                found.append(None if value is None else spilled.keep(read(value, column)))
    return found


def read_jsonl(files: Sequence[Path], root: Path, urls: bool = False) -> Table:
    """Rows of JSONL files; strings in image columns are paths below the folder."""
    rows = [row for path in files for _, row in read_objects(path)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, list[Any]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        columns[name] = [image_cell(v, (root,), urls) for v in values] if IMAGE_COLUMN.fullmatch(name) else values
    return Table(columns)


def read_saved(folder: Path, split: str, urls: bool = False) -> Table:
    """A `save_to_disk` folder, single or with splits."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever is wrong with its many files, the remedy is the same
        reason = one_line(error, 200)
        raise UserError(f"{folder} is not a readable save_to_disk folder ({reason}); save the dataset again") from error
    if isinstance(loaded, datasets.DatasetDict):
        if split not in loaded:
            raise UserError(f"{folder} has no split {split!r}; found: {', '.join(loaded)}")
        loaded = loaded[split]
    return from_dataset(loaded, (folder,), urls)


def from_dataset(dataset: Any, roots: Sequence[Path], urls: bool = False) -> Table:
    """A `datasets.Dataset` as a table: text in memory, images read from its Arrow map when asked.

    Its cells may name files of images; only those below the roots are read.
    """
    import datasets

    images = []
    for name, feature in list(dataset.features.items()):
        inner = feature.feature if hasattr(feature, "feature") and not isinstance(feature, dict) else feature
        inner = inner[0] if isinstance(inner, list) else inner
        if isinstance(inner, datasets.Image):
            images.append(name)
            undecoded = datasets.Image(decode=False)
            wrapped = undecoded if inner is feature else type(feature)(undecoded)
            dataset = dataset.cast_column(name, wrapped if not isinstance(feature, list) else [undecoded])
        elif _holds_images(dataset.data.table.schema.field(name).type):
            images.append(name)
    text = dataset.select_columns([n for n in dataset.column_names if n not in images])
    columns: dict[str, Any] = {name: list(text[name]) for name in text.column_names}
    lock = threading.Lock()
    for name in images:
        columns[name] = _Column(dataset.select_columns([name]), name, lock, roots, urls)
    for name in filter(IMAGE_COLUMN.fullmatch, text.column_names):
        columns[name] = [image_cell(v, roots, urls) for v in columns[name]]
    return Table(columns)


def _has_bytes(value: Any) -> bool:
    return bool(value.get("bytes") if isinstance(value, dict) else value)


def _without_bytes(value: Any, roots: Sequence[Path], urls: bool) -> Any:
    """The image of a cell that holds no bytes: the file that it names, or one that is known to be unreadable."""
    if value is None or value == b"":
        return LazyImage.unreadable("the image cell holds no bytes")
    return image_cell(value, roots, urls)


class _Column(Sequence[Any]):
    """One image column of a dataset, read on demand."""

    def __init__(self, dataset: Any, name: str, lock: threading.Lock, roots: Sequence[Path], urls: bool) -> None:
        self._dataset, self._name, self._lock, self._roots, self._urls = dataset, name, lock, roots, urls

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Any:
        value = self._cell(index)
        if value is None:
            return None
        label = f"{self._name} of row {index}"
        if isinstance(value, list):
            found = enumerate(value)
            return [self._one_of(index, i, label) if _has_bytes(v) else self._bare(v) for i, v in found]
        return (
            LazyImage(lambda: self._data(self._cell(index), label), label) if _has_bytes(value) else self._bare(value)
        )

    def _bare(self, value: Any) -> Any:
        return _without_bytes(value, self._roots, self._urls)

    def _one_of(self, index: int, i: int, label: str) -> LazyImage:
        return LazyImage(lambda: self._data(self._cell(index)[i], label), label)

    def _cell(self, index: int) -> Any:
        with self._lock:
            return self._dataset[index][self._name]

    def _data(self, value: Any, label: str) -> bytes:
        """Bytes of a cell; `datasets` keeps local files by path, which it wrote itself when the set was built."""
        return _bytes(value, label, self._roots, self._urls)
