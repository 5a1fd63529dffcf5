"""The response cache of `--cache FILE`: responses by their request key, shared between runs and processes.

One SQLite file in WAL mode. The key decides alone: it hashes the model's fingerprint, the prompt, the images and the
decoding, so a response is used only for the request that it was made for. Failed requests are not stored.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from cambrian_eval.engines.local import Completed
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request, Response

APPLICATION = 0x63616D62
"""Marks the file as ours (`application_id` of SQLite)."""
VERSION = 1
WAIT = 60.0
"""Seconds to wait for another process that is writing."""
CHUNK = 500
"""Keys of one query."""
WORKERS = 8
"""Threads that read and hash images to make keys."""
DAY = 86400.0
_TABLE = """CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, stored REAL NOT NULL, used REAL NOT NULL, response BLOB NOT NULL
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class ModelShare:
    """What a cache holds of one model."""

    model: str
    responses: int
    bytes: int
    last_used: float
    """Seconds since 1970."""


class ResponseCache:
    """An open cache file; belongs to one thread."""

    def __init__(self, path: Path, create: bool = True) -> None:
        self.path = path
        if not create and not path.is_file():
            raise UserError(f"{path} is not a file; name the file of --cache")
        with self._errors():
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        with self._errors():
            mark, version = (self._db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("application_id", "user_version"))
            empty = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not empty and mark != APPLICATION:
            raise UserError(f"{self.path} is another program's database; name another file for --cache")
        if version > VERSION:
            raise UserError(f"{self.path} was made by a newer cambrian-eval; update it, or name another file")
        with self._errors():
            self._to_wal()
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(_TABLE)
            self._db.execute(f"PRAGMA application_id = {APPLICATION}")
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _to_wal(self) -> None:
        """Chooses WAL mode; two processes that do so at once on a new file do not wait for each other by themselves."""
        end = time.monotonic() + WAIT
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def get(self, keys: Sequence[str]) -> dict[str, Response]:
        """The stored responses to these keys, without an id; they count as used now."""
        found: dict[str, Response] = {}
        with self._errors():
            for i in range(0, len(keys), CHUNK):
                some = keys[i : i + CHUNK]
                marks = ",".join("?" * len(some))
                rows = self._db.execute(f"SELECT key, response FROM responses WHERE key IN ({marks})", some)
                for key, stored in rows.fetchall():
                    with suppress(msgspec.MsgspecError):  # a damaged row is asked again
                        found[key] = msgspec.json.decode(stored, type=Response)
            self._db.execute("BEGIN IMMEDIATE")
            now = time.time()
            self._db.executemany("UPDATE responses SET used = ? WHERE key = ?", [(now, key) for key in found])
            self._db.execute("COMMIT")
        return found

    def put(self, key: str, model: str, response: Response) -> None:
        """Stores a response, unless it failed."""
        if response.finish == "failed":
            return
        now = time.time()
        with suppress(UnicodeEncodeError), self._errors():  # a lone surrogate; such a response is not stored
            body = msgspec.json.encode(replace(response, id=""))
            row = (key, model, now, now, body)
            self._db.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)", row)

    def shares(self) -> list[ModelShare]:
        """What the cache holds by model, the largest share first."""
        query = (
            "SELECT model, count(*), sum(length(response)), max(used) FROM responses "
            "GROUP BY model ORDER BY count(*) DESC, model"
        )
        with self._errors():
            return [ModelShare(*row) for row in self._db.execute(query).fetchall()]

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        with self._errors():
            pages, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(size)

    def prune(self, unused_days: float | None = None, model: str | None = None) -> int:
        """Removes what was not used for so many days, of one model where it is named; returns how many responses."""
        conditions: list[str] = []
        values: list[Any] = []
        if unused_days is not None:
            conditions.append("used < ?")
            values.append(time.time() - unused_days * DAY)
        if model is not None:
            conditions.append("model = ?")
            values.append(model)
        with self._errors():
            n = self._db.execute(f"DELETE FROM responses WHERE {' AND '.join(conditions) or '1'}", values).rowcount
            self._db.execute("VACUUM")
        return int(n)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise UserError(
                f"the cache {self.path} cannot be used ({one_line(error)}); responses of the run so far are stored; "
                "name another file, or leave out --cache"
            ) from None


def answered(cache: ResponseCache, makers: Sequence[Callable[[bool], Request]]) -> list[Completed]:
    """The requests whose response the cache has; `makers` are preparations as jobs have them."""

    def request(make: Callable[[bool], Request]) -> Request | None:
        try:
            made = make(False)
        except Exception:  # an image that cannot be read: the engine says so
            return None
        hashed = (LazyImage.received(b"", image.sha256, image.name) for image in made.images)
        return replace(made, images=tuple(hashed))  # only the hashes are needed

    with ThreadPoolExecutor(WORKERS) as pool:
        requests = [made for made in pool.map(request, makers) if made is not None]
    found = cache.get([made.key for made in requests])
    return [Completed(made, _reused(found[made.key], made.id)) for made in requests if made.key in found]


def _reused(response: Response, request_id: str) -> Response:
    """A response from the cache: it costs nothing now."""
    notes = {name: value for name, value in response.notes.items() if name != "cost"}
    return replace(response, id=request_id, notes={**notes, "cached": True})
