"""What `tools/bench.py` measures: one entry for each script, with the rows that its JSON becomes.

A script prints JSON, or writes it to the file that its command names `{json}`. Each runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    typer, run = starts["import typer"], starts["run --model chance --limit 1"]
    return [
        Row("run: a sample, 64x64 PNG", one["ours_us"], "us", one["floor_us"], goal=1.3, goal_of="floor"),
        Row("start: --help", starts["--help"], "s", typer),
        Row("start: list", starts["list"], "s", typer),
        Row("start: run chance --limit 1", run, "s", starts["imports of run"], goal=0.45),
    ]


def growth(*sizes: Any) -> list[Row]:
    """Time and memory of runs of three sizes; the time of the smallest is the floor of the others."""
    small, middle, large = sizes
    times = [
        Row(f"run: a sample, {one['rows']:,} rows", one["ours_us"], "us", small["ours_us"], goal=1.1, goal_of="floor")
        for one in (middle, large)
    ]
    memory = [Row(f"run: memory, {one['rows']:,} rows", one["peak_mib"], "MiB", goal=600.0) for one in sizes]
    more = large["peak_mib"] - middle["peak_mib"]
    span = f"{middle['rows'] // 1000}k to {large['rows'] // 1000}k"
    return [*times, *memory, Row(f"run: memory, {span}", more, "MiB", goal=0.1 * middle["peak_mib"])]


def results(found: Any) -> list[Row]:
    """`score` and `compare` of finished runs."""
    rows = []
    for name, goal in (("score", 8.0), ("compare", 4.0)):
        passed = found[f"{name} in processes"]["elapsed"]
        rows += [
            Row(f"{name}, 62k x 2", found[name]["seconds"], "s", found[f"{name} floor"]["seconds"], goal=goal),
            Row(f"{name}: elapsed, {found['processes']} processes", passed, "s", goal=goal),
        ]
    return rows


def report(found: Any) -> list[Row]:
    """`report` of a finished run without and with images."""
    plain, full, bare = found["report"], found["report with images"], found["floor"]["seconds"]
    drawn, number = bare + found["images floor"]["seconds"], found["processes"]
    return [
        Row("report, no images, 62k x 2", plain["seconds"], "s", bare, goal=10.0),
        Row(f"report: elapsed, {number} processes", found["report in processes"]["elapsed"], "s", goal=10.0),
        Row("report, images, 62k x 2", full["seconds"], "s", drawn, goal=30.0),
        Row("report, images: first page", full["page_mb"], "MB", goal=3.0),
    ]


def reading(found: Any) -> list[Row]:
    """`fuzzy` by kind of answer and length of the response, beside plain matching; the goal is that of short ones."""
    short = ("letter", "up to 40")
    return [
        Row(f"fuzzy: {name}", one["fuzzy"], "us", one["floor"], goal=30.0 if name.endswith(short) else None)
        for name, one in found.items()
    ]


def bootstrap(found: Any) -> list[Row]:
    """Intervals over 62,000 clusters."""
    n = f"{found['clusters']:,}"
    return [
        Row(f"bootstrap, {n} clusters", found["ours"], "s", found["floor"]),
        Row("bootstrap: memory", found["mib"], "MiB", goal=60.0),
    ]


FILES = {"val": "COCO val", "train": "COCO train", "omni3d": "Omni3D", "omni3d_tenth": "Omni3D/10"}


def cvbench(found: Any) -> list[Row]:
    """Candidates of source files beside their parse floor, without and with the sha256 that every catalog has."""
    rows = []
    for file, one in found.items():
        name, ours, bare, peer = FILES[file], one["candidates"], one["floor"], one["pycocotools"]
        index, plain = (peer["all"], "pycocotools"), (one["plain"]["all"], "msgspec")
        sooner = {"goal": 6.0, "goal_of": "peer"} if name.startswith("COCO") else {}
        rows += [
            Row(f"{name}: all candidates", ours["all"], "s", bare["all"], *plain, goal=2.0, goal_of="floor"),
            Row(f"{name}: floor + sha256", ours["all"], "s", bare["all"] + one["sha256"]["all"]),
            Row(f"{name}: first candidate", ours["first"], "s", bare["all"], *index, **sooner),
            Row(f"{name}: memory", ours["peak_mb"], "MB", bare["peak_mb"], peer["peak_mb"], "pycocotools"),
        ]
    return rows


def in_flight(sides: Iterable[tuple[str, int, float, float, float | None]]) -> list[Row]:
    """Microseconds of ours, floor and peer by kind and number in flight.

    More in flight may cost a tenth more than the first number of the kind, each beside its own floor.
    """
    rows: list[Row] = []
    first: dict[str, float] = {}
    for kind, number, ours, bare, peer in sides:
        goal = round(1.1 * first[kind], 1) if kind in first else None
        first.setdefault(kind, ours / bare)
        what = f"{kind}, {number} at once"
        rows.append(Row(what, ours, "us", bare, peer, "openai" if peer else "", goal, "floor"))
    return rows


def endpoint(found: Any) -> list[Row]:
    """Requests of the client, with an image and without."""
    return in_flight(
        (
            f"endpoint {one['image_kB']} kB" if one["image_kB"] else "endpoint text",
            one["concurrency"],
            *(1e6 / one[side] for side in ("ours", "aiohttp", "openai")),
        )
        for one in found["requests_per_second_of_processor_time"]
    )


def judge(found: Any) -> list[Row]:
    """A judged response."""
    return in_flight(("judge", one["in_flight"], one["ours_us"], one["floor_us"], None) for one in found["judge"])


def driver(found: Any) -> list[Row]:
    """A request of Ray's driver with an image, beside the local engine without images."""
    return [Row("Ray driver: 7 kB image", found["ours_us"], "us", found["floor_us"], goal=170.0)]


def shared_image(found: Any) -> list[Row]:
    """A question of an `hf:` model about an image that has several, beside the bare work on them."""
    what = f"hf: question, {found['per_image']} an image"
    return [Row(what, found["ours_s"], "s", found["floor_s"], goal=1.2, goal_of="floor")]


def replicas(found: Any) -> list[Row]:
    """How much more two and four replicas do than one."""
    one, *others = found["scaling"]["requests_per_second"].items()
    base = max(one[1])
    service = 1e3 * found["scaling"]["service_seconds"]
    return [
        Row(f"Ray: request, {n} replicas", 1e3 / max(rates), "ms", service / int(n), 1e3 / base, "(1 replica)")
        for n, rates in others
    ]


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


PARTS = (
    Part("overhead", ("perf_overhead.py --rows 5000 --repeats 3",), overhead),
    Part("growth", tuple(f"perf_overhead.py --growth --rows {n}" for n in (5_000, 20_000, 80_000)), growth),
    Part("results", ("perf_results.py",), results),
    Part("report", ("perf_report.py --no-browser",), report),
    Part("reading", ("perf_reading.py --json",), reading),
    Part("bootstrap", ("perf_bootstrap.py",), bootstrap),
    Part("cvbench", ("perf_cvbench.py --json val omni3d_tenth --turns 3",), cvbench),
    Part("endpoint", ("perf_endpoint.py --concurrency 16,256 --requests 300 --repeats 1 --json",), endpoint),
    Part("judge", ("perf_endpoint.py --judge --requests 2000 --repeats 1",), judge),
    Part("ray", ("perf_scale.py --driver --ceiling-requests 10000 --repeats 1",), driver),
    Part("hf", ("perf_shared_images.py --floor --sizes mid --per-image 12",), shared_image),
    Part("cvbench_full", ("perf_cvbench.py --json train omni3d",), cvbench, slow=True),
    Part("import", ("perf_import.py --json",), importing, slow=True),
    Part("loading", ("perf_loading.py --json",), loading, slow=True),
    Part("replicas", ("perf_scale.py --requests 600 --ceiling-requests 3000 --repeats 3 --json",), replicas, slow=True),
    Part("soak", ("soak.py --json",), soak, slow=True),
)  # fmt: skip
"""In the order of the table."""
