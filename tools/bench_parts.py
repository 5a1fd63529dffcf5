"""What `tools/bench.py` measures: one entry for each script, with the rows that its JSON becomes.

A script prints JSON, or writes it to the file that its command names `{json}`. Each runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench_rows import Row


@dataclass(frozen=True)
class Part:
    """A script of this folder and how to read what it prints."""

    name: str
    commands: tuple[str, ...]
    """Script and arguments; several are run one after the other."""
    rows: Callable[..., list[Row]]
    """The rows of the JSON of the commands, one argument for each."""
    slow: bool = False
    """Only with `--all`, or where it is named."""


def overhead(found: Any) -> list[Row]:
    """A sample of a run, and the start of commands."""
    one, starts = found["overhead"], found["start_up_seconds"]
    typer = starts["import typer"]
    return [
        Row("run: a sample, 64x64 PNG", one["ours_us"], "us", one["floor_us"], goal=1.3, goal_of="floor"),
        Row("start: --help (floor: typer)", starts["--help"], "s", typer, goal=2.5, goal_of="floor"),
        Row("start: list", starts["list"], "s", typer, goal=2.5, goal_of="floor"),
        Row("start: run chance --limit 1", starts["run --model chance --limit 1"], "s", typer, goal=0.45),
    ]


def growth(*sizes: Any) -> list[Row]:
    """Time and memory of runs of three sizes; the smallest is the floor of the others' time."""
    first, *_ = sizes
    return [
        row
        for found in sizes
        for row in (
            Row(f"run: a sample, {found['rows']:,} rows", found["ours_us"], "us", first["ours_us"]),
            Row(f"run: memory, {found['rows']:,} rows", found["peak_mib"], "MiB", goal=600.0),
        )
    ]


def results(found: Any) -> list[Row]:
    """Commands on finished runs; goals are those of 62,000 samples, in proportion."""
    part = found["samples"] / 61_876
    n = f"{found['samples'] / 1000:,.0f}k"
    score, compare, report = found["score"], found["compare"], found["report"]
    bare = found["compare floor"]["seconds"]
    return [
        Row(f"score, {n} x 2", score["seconds"], "s", found["score floor"]["seconds"], goal=8.0 * part),
        Row(f"compare, {n} x 2", compare["seconds"], "s", bare, goal=4.0 * part),
        Row(f"report, no images, {n} x 2", report["seconds"], "s", bare, goal=10.0 * part),
        Row("report: first page", report["page_mb"], "MB", goal=3.0),
    ]


def scoring(found: Any) -> list[Row]:
    """The scorers alone; SEED has lettered answers."""
    by_name = {one["benchmark"]: one for one in found}
    every, seed = by_name["all"], by_name["seed"]
    return [
        Row("fuzzy: a response", 1e6 * every["fuzzy"] / every["responses"], "us"),
        Row("fuzzy: a response of SEED", 1e6 * seed["fuzzy"] / seed["responses"], "us", goal=30.0),
        Row("official: a response", 1e6 * every["official"] / every["responses"], "us"),
    ]


def bootstrap(found: Any) -> list[Row]:
    """Intervals over 62,000 clusters."""
    n = f"{found['clusters']:,}"
    return [
        Row(f"bootstrap, {n} clusters", found["ours"], "s", found["floor"]),
        Row("bootstrap: memory", found["mib"], "MiB", goal=60.0),
    ]


def cvbench(found: Any) -> list[Row]:
    """Candidates of a file of the size of COCO val2017."""
    ours, bare, peer = found["candidates"], found["floor"]["all"], found["pycocotools"]["all"]
    return [
        Row("COCO val: all candidates", ours["all"], "s", bare, goal=2.0, goal_of="floor"),
        Row("COCO val: first candidate", ours["first"], "s", bare, peer, "pycocotools", 6.0, "peer"),
    ]


def endpoint(found: Any) -> list[Row]:
    """Requests of the client at two numbers in flight."""
    rows = []
    for one in found["requests_per_second_of_processor_time"]:
        ours, bare, peer = (1e6 / one[side] for side in ("ours", "aiohttp", "openai"))
        kind = f"{one['image_kB']} kB" if one["image_kB"] else "text"
        what = f"endpoint {kind}, {one['concurrency']} at once"
        rows.append(Row(what, ours, "us", bare, peer, "openai", 3.0, "floor"))
    return rows


def driver(found: Any) -> list[Row]:
    """A request of Ray's driver; that without an image is the floor of that with one."""
    on, off = (min(found["ceiling"][f"vision {v}"]["driver_processor_microseconds_each"]) for v in ("on", "off"))
    return [
        Row("Ray driver: 7 kB image", on, "us", off, goal=170.0),
        Row("Ray driver: text", off, "us"),
    ]


def replicas(found: Any) -> list[Row]:
    """How much more two and four replicas do than one."""
    one, *others = found["scaling"]["requests_per_second"].items()
    base = max(one[1])
    service = 1e3 * found["scaling"]["service_seconds"]
    return [
        Row(f"Ray: request, {n} replicas", 1e3 / max(rates), "ms", service / int(n), 1e3 / base, "(1 replica)")
        for n, rates in others
    ]


def shared_images(found: Any) -> list[Row]:
    """A question of `hf:` models when an image has several; the peer is the same model without sharing."""
    rows = []
    for name, one in found.items():
        ours, plain = one["shared_seconds"], one["plain_seconds"]
        rows.append(Row(f"hf: question, {name}", ours, "s", peer=plain, peer_name="(not shared)"))
    return rows


def importing(found: Any) -> list[Row]:
    """62,000 rows of a log; the floor reads it with `json` alone."""
    return [
        Row("import: log of LLaVA", found["llava"], "s", found["json"], goal=20.0),
        Row("import: log of lmms-eval", found["lmms_eval"], "s", found["json"], goal=20.0),
        Row("import: memory", found["peak_mib"], "MiB", goal=1430.0),
    ]


def loading(found: Any) -> list[Row]:
    """Memory of loading, beside the weights themselves."""
    mib = 2**20
    return [
        Row(
            f"load {one['dtype']}: memory",
            one["peak_above_imports_bytes"] / mib,
            "MiB",
            one["weights_bytes"] / mib,
            goal=1.3,
            goal_of="floor",
        )
        for one in found
    ]


def soak(found: Any) -> list[Row]:
    """Memory at the end of a long run, beside that half way."""
    half, end = found["driver_mib_half_way_and_at_the_end"]
    return [Row(f"{found['requests']:,} requests: memory", end, "MiB", half, goal=1.05, goal_of="floor")]


TWELVE = "--images 1 --per-image 12 --json {json}"
PARTS = (
    Part("overhead", ("perf_overhead.py --rows 5000 --repeats 3",), overhead),
    Part("growth", tuple(f"perf_overhead.py --growth --rows {n}" for n in (5_000, 20_000, 80_000)), growth),
    Part("results", ("perf_results.py --scale 0.25 --report",), results),
    Part("scoring", ("perf_scoring.py --json",), scoring),
    Part("bootstrap", ("perf_bootstrap.py",), bootstrap),
    Part("cvbench", ("perf_cvbench.py --json",), cvbench),
    Part("endpoint", ("perf_endpoint.py --concurrency 16,256 --requests 300 --repeats 1 --json",), endpoint),
    Part("ray", ("perf_scale.py --requests 40 --ceiling-requests 3000 --repeats 1 --json",), driver),
    Part("hf", (f"perf_shared_images.py --models llava --sizes mid {TWELVE}",), shared_images),
    Part("import", ("perf_import.py --json",), importing, slow=True),
    Part("loading", ("perf_loading.py --json",), loading, slow=True),
    Part("replicas", ("perf_scale.py --requests 600 --ceiling-requests 3000 --repeats 3 --json",), replicas, slow=True),
    Part("soak", ("soak.py --json",), soak, slow=True),
)  # fmt: skip
"""In the order of the table."""
