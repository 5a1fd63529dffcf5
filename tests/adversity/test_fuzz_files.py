"""More readers under mutated input: replies of endpoints, caches, cost logs, tables, checkpoints, builder sources."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import run
from cambrian_eval.demo import checkpoint as demo_checkpoint
from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.errors import CambrianEvalError
from cambrian_eval.models.checkpoint_files import check_values, read_json
from cambrian_eval.models.tensor_files import open_folder, read_entries
from cambrian_eval.reports.runs import read_results
from cambrian_eval.reports.scores import read_csv
from cambrian_eval.results.comparison import compare_runs
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from cambrian_eval.scoring.judge.cache import CachedResponse, ResponseCache
from cvbench_builder import dataset, stats
from cvbench_builder.errors import BuilderError
from cvbench_builder.inputs import Inputs
from tests.adversity.mutations import at_most, of_bytes, of_value
from tests.adversity.run_folders import copied
from tests.cvbench.sources import Ade, Coco, Omni
from tests.cvbench.test_oracle import listed
from tests.judge.chat_server import Act, ChatServer, Seen, completion

pytestmark = pytest.mark.slow

CALLS = 300_000
"""Function calls that reading a small file may take."""


def one_line(call: Callable[..., Any], *arguments: Any) -> Any:
    """What the call returns, or None where it ends with one line."""
    try:
        with at_most(CALLS):
            return call(*arguments)
    except (CambrianEvalError, BuilderError) as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 10_000, text[:300]
        return None


# -- endpoints


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-fuzz-key")
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cambrian_eval.endpoint.client.backoff", lambda tries: 0.001)


HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Content-Type": "text/html"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "br, gzip, odd"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"X-RateLimit-Remaining-Requests": "-1"},
    {"Location": "http://127.0.0.1:1/elsewhere"},
    {"Set-Cookie": "a=b" * 1000},
)


def replies(made: list[bytes]) -> Callable[[Seen, int], Act]:
    """One of the mutated bodies for every sample, the same one however often it is requested."""

    def script(seen: Seen, n: int) -> Act:
        text = seen.user if isinstance(seen.user, str) else seen.user[-1]["text"]
        number = sum(text.encode())
        return Act(body=made[number % len(made)], headers=HEADERS[number % len(HEADERS)])

    return script


@pytest.mark.parametrize("kind", ["bytes", "values"])
def test_replies_of_an_endpoint(kind: str, impatient: None, tmp_path: Path) -> None:
    """Every sample has a response or failed with one line; the run ends."""
    good = completion(Act("A"), "m")
    if kind == "bytes":
        made = list(of_bytes(good, 60))
    else:
        made = [json.dumps(value).encode() for value in of_value(json.loads(good), 60)]
    with ChatServer(replies(made)) as server:
        ended = None
        try:
            outcome = run(
                "openai:m",
                ["mmvp"],
                tmp_path / "run",
                data="mini:60",
                max_failures=1.0,
                allow_mixed=True,
                options={"base_url": server.url, "outage": 5.0},
            )
        except CambrianEvalError as error:  # too many replies in a row that cannot be read
            ended = str(error)
    assert ended is None or ("\n" not in ended and "run again" in ended)
    records = open_run(tmp_path / "run").responses(Cell("mmvp", "on"))
    assert ended is not None or len(records) == outcome.n == 60
    for record in records.values():
        assert record.error is None or ("\n" not in record.error and len(record.error) < 1_000)
    assert "sk-test-fuzz-key" not in "".join(p.read_text() for p in (tmp_path / "run").rglob("*.json*"))


def test_the_cache_of_a_judge(tmp_path: Path) -> None:
    """A changed line is ignored; what is read is what was written."""
    cache = ResponseCache(tmp_path, "judge", "api")
    stored = {f"key-{i}": CachedResponse(f"CORRECT {i}", "stop", 100 + i, 2, "judge-1") for i in range(5)}
    for key, response in stored.items():
        cache.put(key, response)
    cache.close()
    content = cache.path.read_bytes()
    for made in of_bytes(content, 200):
        cache.path.write_bytes(made)
        again = one_line(ResponseCache, tmp_path, "judge", "api")
        for key, response in stored.items():
            assert again.get(key) in (None, response)
        again.close()


@pytest.mark.parametrize("strict", [True, False])
def test_cost_logs(strict: bool, tmp_path: Path) -> None:
    path = tmp_path / "costs.jsonl"
    lines = [
        {"request": "a", "model": "m", "reserved": 0.5},
        {"request": "a", "model": "m", "prompt_tokens": 100, "new_tokens": 2, "counted": True, "cost": 0.25},
        {"request": "b", "model": "m", "reserved": 0.5},
        {"request": "b", "lost": 0.5},
        {"request": "c", "model": "m", "reserved": 0.125},
    ]
    good = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(good)
    assert CostLog(path, "m", strict=strict).spent == 0.875
    bodies = [*of_bytes(good, 150)]
    for value in of_value(lines, 150):
        bodies.append("".join(json.dumps(line) + "\n" for line in value).encode() if isinstance(value, list) else b"{}")
    for made in bodies:
        path.write_bytes(made)
        found = one_line(lambda: CostLog(path, "m", strict=strict))
        assert found is None or (math.isfinite(found.spent) and found.spent >= 0)


# -- tables of scores


WIDE = b'model,mmvp,gqa,mme,params,group\na,50,60.5,"1,547.1",8,x\nb,40%,,1400,13,y\n'
LONG = (
    b"model,benchmark,condition,scorer,score,low,high,chance,n,complete\n"
    b"a,mmvp,on,fuzzy,50,45,55,25,300,yes\na,mmvp,off,fuzzy,30,25,35,25,300,no\nb,mme,on,judge,1500,,,0,10,yes\n"
)


@pytest.mark.parametrize("good", [WIDE, LONG], ids=["wide", "long"])
def test_tables_of_scores(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    for made in of_bytes(good, 250):
        path.write_bytes(made)
        table = one_line(read_csv, path)
        for name in () if table is None else ("mmvp", "gqa", "mme"):
            scores = [row[name] for row in map(table.row, table.models) if name in row]
            assert all(0 <= score <= (2000 if name == "mme" else 100) for score in scores)
        one_line(read_results, path)


def test_verdict_lines(tmp_path: Path) -> None:
    """A verdict that was changed is never compared: it is the one that was stored, or a refusal."""

    folder = copied(tmp_path)
    store = open_run(folder)
    path = folder / "verdicts/docvqa.on.fuzzy.jsonl"
    good = path.read_bytes()
    for made in of_bytes(good, 60):
        path.write_bytes(made)
        found = one_line(compare_runs, store, store, "on", "off", "fuzzy")
        assert found is None or made == good


# -- checkpoints


def weights_in(folder: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for i, name in enumerate(names):
        save_file({f"layer.{i}.weight": torch.ones(2, 3), f"layer.{i}.bias": torch.zeros(4)}, folder / name)
    where = {f"layer.{i}.{part}": name for i, name in enumerate(names) for part in ("weight", "bias")}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


def test_headers_of_weights(tmp_path: Path) -> None:
    path = weights_in(tmp_path / "c") / "model-00001-of-00002.safetensors"
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    bodies = list(of_bytes(content, 150))
    for value in of_value(header, 150):
        text = json.dumps(value).encode()
        bodies.append(len(text).to_bytes(8, "little") + text + data)
    for made in bodies:
        path.write_bytes(made)
        for entry in one_line(read_entries, path) or ():
            assert 0 <= entry.start <= entry.stop <= len(made)


def test_indexes_of_weights(tmp_path: Path) -> None:
    folder = weights_in(tmp_path / "c")
    path = folder / "model.safetensors.index.json"
    content = path.read_bytes()
    for made in [*of_bytes(content, 150), *(json.dumps(v).encode() for v in of_value(json.loads(content), 150))]:
        path.write_bytes(made)
        one_line(open_folder, folder, "the checkpoint")


def test_configurations_of_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    content = (demo_checkpoint() / "config.json").read_bytes()

    def read() -> None:
        check_values(read_json(path), path)

    for made in [*of_bytes(content, 150), *(json.dumps(v).encode() for v in of_value(json.loads(content), 250))]:
        path.write_bytes(made)
        one_line(read)


# -- builder


def candidates(inputs: Inputs) -> int:
    """Loads the sources and lists what every task makes of them."""
    return sum(len(listed(inputs, task)) for task in ("Count", "Relation", "Depth", "Distance"))


def coco(root: Path) -> tuple[Path, Inputs]:
    made = Coco(["dog", "cat"])
    for _ in range(3):
        image = made.image()
        made.add(image, "dog", (20, 20, 120, 120))
        made.add(image, "cat", (250, 20, 350, 120))
    path, _ = made.write(root, images=False)
    return path, Inputs(coco=(path,))


def omni(root: Path) -> tuple[Path, Inputs]:
    made = Omni("SUNRGBD", ["chair", "table"])
    for _ in range(3):
        image = made.image()
        made.add(image, "chair", (-0.5, 0.0, 2.0))
        made.add(image, "table", (0.6, 0.1, 3.5))
    path, _ = made.write(root, images=False)
    return path, Inputs(omni3d=(path,))


def ade(root: Path) -> tuple[Path, Inputs]:
    made = Ade()
    image = made.image()
    made.add(image, "lamp", (20, 20, 120, 120))
    made.add(image, "chair, seat", (250, 20, 350, 120))
    folder = made.write(root)
    return next(folder.rglob("ADE_val_*.json")), Inputs(ade20k=(folder,))


@pytest.mark.parametrize("source", [coco, omni, ade], ids=["COCO", "Omni3D", "ADE20K"])
def test_annotations(source: Callable[[Path], tuple[Path, Inputs]], tmp_path: Path) -> None:
    path, inputs = source(tmp_path)
    assert candidates(inputs) > 0
    content = path.read_bytes()
    for made in [*of_bytes(content, 6), *(json.dumps(v).encode() for v in of_value(json.loads(content), 14))]:
        path.write_bytes(made)
        one_line(candidates, inputs)


def test_rows_of_a_build(tmp_path: Path) -> None:
    """Rows that were changed are refused, or every command that reads them can use them."""
    stored = Path(__file__).parents[1] / "cvbench/earlier_build/rows.jsonl"
    first, *rest = stored.read_text("utf-8").splitlines(keepends=True)
    path = tmp_path / "rows.jsonl"

    def summary() -> Any:
        return stats.statistics(dataset.read_rows_file(path))

    for value in of_value(json.loads(first), 120):
        path.write_text("".join([json.dumps(value) + "\n", *rest]), "utf-8")
        one_line(summary)
