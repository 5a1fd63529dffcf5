"""Measures the speedup by more replicas, and how many requests per second one driver can handle.

    python tools/perf_scale.py [--service 0.05] [--requests 800] [--repeats 3] [--driver] [--json]

Scaling: a model that sleeps a fixed time for each request, with 1, 2 and 4 replicas on a Ray cluster on this machine;
the time covers the stream of requests from the first request to the last stored response (without the start of the
cluster and the loading of data). Ceiling: a model that responds at once; requests per second as measured, and as the
driver's processor time per request would allow if the replicas were on other machines. Driver: its processor time a
request with an image of 7 kB, in turns with the floor: the local engine without images.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cambrian_eval.engines.local import Completed, Job, LocalEngine
from cambrian_eval.engines.messages import PendingRequest, batches
from cambrian_eval.engines.ray import RayEngine
from cambrian_eval.model import Model
from cambrian_eval.sample import Request, Response

sys.path.insert(0, str(Path(__file__).parent))


class Fixed:
    """A model that takes the same time for each request."""

    max_images: int | None = 1

    def __init__(self, seconds: float) -> None:
        self.name, self.fingerprint, self.seconds = "fixed", f"fixed-{seconds}", seconds

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Sleeps for each request; that uses no processor, so replicas on one machine do not slow each other down."""
        for request in requests:
            if self.seconds:
                time.sleep(self.seconds)
            yield Response(request.id, f"answer {request.id}")

    def describe(self) -> Mapping[str, Any]:
        """Nothing: there are no weights."""
        return {}


class Timed:
    """An open engine that measures the time of the stream of requests."""

    def __init__(self, engine: RayEngine | LocalEngine, model: Model) -> None:
        self.engine, self.model = engine, model
        self.seconds = self.processor = 0.0

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        """The engine's responses; afterwards `seconds` is the wall time and `processor` this process's time."""
        wall, busy = time.perf_counter(), time.process_time()
        yield from self.engine.run(self.model, jobs, stop)
        self.seconds += time.perf_counter() - wall
        self.processor += time.process_time() - busy

    def facts(self) -> dict[str, Any]:
        """The engine's own facts, for run.json."""
        return self.engine.facts()

    def state(self) -> dict[str, Any]:
        """The engine's own state, for `status`."""
        return self.engine.state()


def measured(replicas: int, service: float, root: Path, vision: str = "on") -> Timed:
    """One run over all rows; every replica is ready before the time starts."""
    engine = RayEngine(replicas=replicas)
    timed = Timed(engine, engine.open(Fixed(service), {}))
    for handle in engine._handles:
        if not handle.slot.ready:
            engine._ray.wait([handle.call], timeout=120)
            engine._loaded(handle)
    try:
        run(timed, root, vision)
    finally:
        engine.close()
    return timed


def run(timed: Timed, root: Path, vision: str) -> None:
    """A run over all rows, each answered correctly."""
    import cambrian_eval

    with tempfile.TemporaryDirectory() as out:
        outcome = cambrian_eval.run(
            timed.model, ["docvqa"], Path(out) / "run", data_root=root, vision=[vision], engine=timed
        )
        assert outcome.n_failed == 0 and outcome.results[0].score == 100.0


def scaling(service: float, requests: int, repeats: int) -> dict[str, Any]:
    """Requests per second with 1, 2 and 4 replicas, in turns, so that changes of load affect all equally."""
    from perf_overhead import write_docvqa

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_docvqa(root, requests)
        rates: dict[int, list[float]] = {1: [], 2: [], 4: []}
        for _ in range(repeats):
            for replicas, found in rates.items():
                found.append(requests / measured(replicas, service, root).seconds)
    medians = {n: statistics.median(found) for n, found in rates.items()}
    return {
        "service_seconds": service,
        "requests": requests,
        "requests_per_second": rates,
        "ideal_of_one": 1 / service,
        "times_one_replica": {n: medians[n] / medians[1] for n in (2, 4)},
    }


def ceiling(requests: int, repeats: int) -> dict[str, Any]:
    """Requests per second of two replicas that respond at once, with and without images."""
    from perf_overhead import write_docvqa

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_docvqa(root, requests)
        for vision in ("on", "off"):
            runs = [measured(2, 0.0, root, vision) for _ in range(repeats)]
            found[f"vision {vision}"] = {
                "requests_per_second": [requests / t.seconds for t in runs],
                "driver_processor_microseconds_each": [1e6 * t.processor / requests for t in runs],
                "requests_per_second_of_one_processor": [requests / t.processor for t in runs],
            }
    return found


def driver(requests: int = 10_000, turns: int = 3) -> dict[str, float]:
    """Processor microseconds of the driver for a request with an image, of the local engine without, and their ratio.

    Both store the responses. The model responds at once; the replicas' own time is not included.
    """
    from perf_overhead import write_docvqa

    ours, floor = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_docvqa(root, requests)
        for _ in range(turns):
            local = Timed(LocalEngine(), Fixed(0.0))
            run(local, root, "off")
            floor.append(1e6 * local.processor / requests)
            ours.append(1e6 * measured(2, 0.0, root).processor / requests)
    each = {"ours_us": statistics.median(ours), "floor_us": statistics.median(floor)}
    return {"requests": requests, **each, "ratio": each["ours_us"] / each["floor_us"]}


def bytes_each(image_bytes: int, questions: int) -> float:
    """Bytes sent to a replica per request; an image is sent once for all its questions."""
    from cambrian_eval.image import LazyImage

    image = LazyImage.of(bytes(image_bytes))
    assert image is not None
    request = Request("12345", "gqa", "on", "What is on the table? " * 6, (image.fetched(),), 0, 16, "k" * 32)
    items = [PendingRequest(i, request, 1 << 27) for i in range(questions)]
    return len(pickle.dumps(batches(items), 5)) / questions


def main() -> None:
    """Prints scaling, ceiling and network bytes as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", type=float, default=0.05)
    parser.add_argument("--requests", type=int, default=800)
    parser.add_argument("--ceiling-requests", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--driver", action="store_true", help="only the driver beside its floor, a minute")
    arguments = parser.parse_args()
    if arguments.driver:
        print(json.dumps(driver(arguments.ceiling_requests, arguments.repeats), indent=2))
        return
    found = {
        "scaling": scaling(arguments.service, arguments.requests, arguments.repeats),
        "ceiling": ceiling(arguments.ceiling_requests, arguments.repeats),
        "driver": driver(arguments.ceiling_requests, arguments.repeats),
        "network_bytes_per_request": {
            "one question an image of 150 kB": bytes_each(150_000, 1),
            "31 questions an image of 50 kB": bytes_each(50_000, 31),
            "no image": bytes_each(0, 1),
        },
    }
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
