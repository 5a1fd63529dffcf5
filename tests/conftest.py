"""Shared fixtures: small data folders in the benchmarks' own row schemas, and a scripted model."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from cambrian_eval.sample import Request, Response

settings.register_profile("no deadline", deadline=None)  # the speed of the machine is not tested
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: begun last, one of them would keep a single worker busy at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def png(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """An image that is different for every seed."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; closed with the module, because an open one keeps an event loop that others cannot share."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        message = "no Chromium on this machine: pages are not tested in a browser"
        if os.environ.get("CAMBRIAN_EVAL_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield started
        started.close()


def docvqa_row(i: int, made_image: bytes, page: int | None = None) -> dict[str, Any]:
    """Row i of a DocVQA-like table whose answer is `answer i`."""
    return {
        "questionId": str(i),
        "question": f"What is number {i}?",
        "question_types": ["form"] if i % 2 else ["table/list", "layout"],
        "image": {"bytes": made_image, "path": None},
        "docId": i if page is None else page,
        "ucsf_document_id": f"doc{i if page is None else page}",
        "ucsf_document_page_no": "1",
        "answers": [f"answer {i}"],
        "data_split": "val",
    }


def write_parquet(path: Path, rows: list[dict[str, Any]], group: int = 50) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)


@pytest.fixture
def docvqa_root(tmp_path: Path) -> Path:
    """A data root with 60 DocVQA rows, two questions per page."""
    root = tmp_path / "data"
    rows = [docvqa_row(i, png(i // 2), page=i // 2) for i in range(60)]
    write_parquet(root / "docvqa" / "validation-00000-of-00001.parquet", rows)
    return root


class Scripted:
    """A model whose response is a function of the request."""

    def __init__(self, answer: Callable[[Request], str], max_images: int | None = 1, delay: float = 0.0) -> None:
        self.name = "scripted"
        self.fingerprint = "scripted-1"
        self.max_images = max_images
        self.answer, self.delay = answer, delay
        self.seen: list[Request] = []

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for request in requests:
            self.seen.append(request)
            if self.delay:
                time.sleep(self.delay)
            yield Response(request.id, self.answer(request))

    def describe(self) -> Mapping[str, Any]:
        return {}


def answer_number(request: Request) -> str:
    """The correct response to `docvqa_row` questions."""
    return f"answer {request.id}"


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
