"""`cambrian-eval run`: a model over benchmarks and vision conditions, into a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import threading
    from types import FrameType

    from cambrian_eval.running.runner import Engine
    from cambrian_eval.running.settings import Outcome


def _config(context: typer.Context, value: Path | None) -> Path | None:
    """Reads `--config` before the other options, so that its values become their defaults."""
    if value is not None:
        from cambrian_eval.cli.config import defaults

        context.default_map = {**(context.default_map or {}), **defaults(value, context.command)}
    return value


DEMO = (
    "demo: the small checkpoint that comes with the package on the drawn miniature suite; for a real model: "
    "cambrian-eval run --model nyu-visionx/cambrian-8b --benchmark all --out runs/8b"
)


def run(
    model: str = typer.Option(None, help="chance, cambrian:PATH, hf:ID, openai:NAME, or a hub id."),
    benchmark: str = typer.Option(None, help="Names separated by commas, a category, or all."),
    out: Path = typer.Option(None, help="The run folder; an existing one is continued."),
    vision: str = typer.Option(None, help="on, off, shuffled, noise, separated by commas. [default: on]"),
    data: str = typer.Option(None, help="hub, mini or mini:N. [default: hub]"),
    data_root: Path = typer.Option(None, help="Folder with one sub-folder for each benchmark."),
    revision: str = typer.Option(None, help="Revision of the hub data set instead of the one named by the benchmark."),
    prompts: str = typer.Option("official", help="official (released code) or paper (appendix)."),
    scorer: str = typer.Option("fuzzy,official", help="Deterministic scorers to apply."),
    official_raw: bool = typer.Option(False, help="Let the official scorer read thoughts too."),
    limit: int = typer.Option(None, min=1, help="Only the first N samples (pairs stay whole)."),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; may be repeated."),
    seed: int = typer.Option(0, help="Seed of everything random."),
    max_new_tokens: int = typer.Option(None, min=1, help="Instead of each benchmark's own limit."),
    max_pixels: int = typer.Option(178_956_970, min=1, help="Images with more pixels count as failed."),
    max_failures: float = typer.Option(0.01, min=0, max=1, help="Share of failed samples that still exits with 0."),
    retry_failed: bool = typer.Option(False, help="Ask failed samples again when continuing."),
    workers: int = typer.Option(None, min=1, help="Threads that decode images ahead of the model."),
    engine: str = typer.Option("local", help="local (this process) or ray (many GPUs, many machines)."),
    replicas: int = typer.Option(None, min=1, help="Copies of the model under ray. [default: as many as fit]"),
    gpus_per_replica: float = typer.Option(None, min=0, help="GPUs of each replica; 0 = CPU. [default: 1 if any]"),
    ray_address: str = typer.Option(None, help="A running cluster (auto, HOST:PORT). [default: start one here]"),
    replica_timeout: float = typer.Option(600.0, min=0.1, help="Seconds without an answer until one is replaced."),
    shard: str = typer.Option(None, help="i/n: only the i-th of n parts; merge joins them."),
    notify_command: str = typer.Option(None, help="Shell command at the end; see CAMBRIAN_EVAL_* in its environment."),
    dtype: str = typer.Option(None, help="float32, bfloat16, float16 or auto."),
    device: str = typer.Option(None, help="cpu, cuda, cuda:1, mps."),
    device_map: str = typer.Option(None, help="auto spreads a model over several devices."),
    batch_size: str = typer.Option("auto", help="auto or a number."),
    attention: str = typer.Option(None, help="sdpa, flash_attention_2 or eager."),
    quantize: str = typer.Option(None, help="4bit or 8bit (needs bitsandbytes)."),
    towers_root: str = typer.Option(None, help="Folder with local vision-tower weights."),
    template: str = typer.Option(None, help="Conversation template instead of the checkpoint's own."),
    vision_cache_gb: float = typer.Option(None, min=0, help="Memory for encoded images."),
    deterministic: bool = typer.Option(False, help="Batch-invariant order of operations where available."),
    base_url: str = typer.Option(None, help="Endpoint of an OpenAI-compatible API."),
    concurrency: int = typer.Option(16, min=1, help="Requests to an API at a time."),
    budget: float = typer.Option(None, min=0, help="Most money to spend on an API."),
    timeout: float = typer.Option(120.0, min=0.1, help="Seconds to wait for one API answer."),
    trust_remote_code: bool = typer.Option(False, help="Let a checkpoint run code of its own."),
    allow_pickle: bool = typer.Option(False, help="Read .bin weights (with weights_only)."),
    offline: bool = typer.Option(False, help="Open no connection; use caches."),
    config: Path = typer.Option(None, is_eager=True, callback=_config, help="TOML file with these options."),
    json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
    quiet: bool = typer.Option(False, help="No progress."),
) -> None:
    """Run a model over benchmarks, or, without arguments, the demo; an existing run goes on where it was."""
    import contextlib
    import sys

    from cambrian_eval.cli import words
    from cambrian_eval.cli.notify import Notice
    from cambrian_eval.cli.progress import progress
    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.errors import UserError
    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.settings import Settings
    from cambrian_eval.running.sharding import Shard

    if offline:
        from cambrian_eval.data.hub import go_offline

        go_offline()
    if model is None and benchmark is None and data is None and data_root is None:
        model, benchmark, data, vision, out = "demo", "all", "mini", vision or "on,off", out or Path("runs/demo")
        print(DEMO, file=sys.stderr)
    if model is None:
        raise UserError("no model named; give --model, for example --model chance or --model nyu-visionx/cambrian-8b")
    if benchmark is None:
        raise UserError("no benchmark named; give --benchmark NAME[,NAME...], a category, or all")
    if out is None:
        raise UserError("no run folder named; give --out FOLDER")
    where = DataSpec.parse(data or "hub", data_root, revision, offline)
    settings = Settings(
        benchmarks=tuple(words.benchmarks(benchmark, where.offered)),
        conditions=tuple(words.names(vision or "on")),
        data=where,
        prompts=prompts,  # type: ignore[arg-type]
        scorers=tuple(words.names(scorer)),
        official_raw=official_raw,
        limit=limit,
        seed=seed,
        max_new_tokens=max_new_tokens,
        max_pixels=max_pixels,
        retry_failed=retry_failed,
        benchmark_settings=words.settings(set_),
        shard=None if shard is None else Shard.parse(shard),
    )
    options = dict(
        seed=seed,
        dtype=dtype,
        device=device,
        device_map=device_map,
        batch_size=batch_size,
        attention=attention,
        quantize=quantize,
        towers_root=towers_root,
        template=template,
        vision_cache_gb=vision_cache_gb,
        deterministic=deterministic,
        base_url=base_url,
        concurrency=concurrency,
        budget=budget,
        timeout=timeout,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        offline=offline,
    )
    shown = progress(quiet)
    driver = _engine(
        engine,
        workers,
        shown.say,
        replicas=replicas,
        gpus_per_replica=gpus_per_replica,
        address=ray_address,
        timeout=replica_timeout,
        repeat=not model.startswith("openai:"),  # a request repeated at an endpoint is paid for twice
    )
    stop = _stop_on_interrupt(shown.say)
    notice = Notice(notify_command, out)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries and models that print must not mix with results
            outcome = evaluate(model, settings, out, options, driver, shown, stop)
    except BaseException as error:
        notice.failed(error)
        raise
    finally:
        shown.close()
    code = _exit_code(outcome, max_failures)
    _report(outcome, model, json, code, max_failures)
    notice.ended(outcome, code)
    raise typer.Exit(code)


def _engine(name: str, workers: int | None, say: Callable[[str], None], **of_ray: Any) -> Engine:
    """The engine by name; what only Ray understands is refused without it."""
    from cambrian_eval.errors import UserError, unknown

    if name == "ray":
        from cambrian_eval.engines.ray import RayEngine

        return RayEngine(workers=workers, say=say, **of_ray)
    if name != "local":
        raise unknown("engine", name, ("local", "ray"))
    for flag, value in (
        ("--replicas", of_ray["replicas"]),
        ("--gpus-per-replica", of_ray["gpus_per_replica"]),
        ("--ray-address", of_ray["address"]),
    ):
        if value is not None:
            raise UserError(f"{flag} {value} needs --engine ray")
    from cambrian_eval.engines.local import LocalEngine

    return LocalEngine() if workers is None else LocalEngine(workers=workers)


def _stop_on_interrupt(say: Callable[[str], None]) -> threading.Event:
    """Ctrl-C or a scheduler's SIGTERM once: finish the batch in hand and store it. Twice: end at once."""
    import signal
    import threading

    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("interrupted: finishing what the model holds; press Ctrl-C again to end at once")

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def _exit_code(outcome: Outcome, max_failures: float) -> int:
    share = outcome.n_failed / outcome.n if outcome.n else 0.0
    return 130 if outcome.interrupted else 1 if share > max_failures else 0


def _report(outcome: Outcome, model: str, json: bool, code: int, max_failures: float) -> None:
    """Results on stdout, what a person must know on stderr."""
    import sys
    from dataclasses import asdict

    from cambrian_eval.cli import words
    from cambrian_eval.results.averages import by_run

    if json:
        body = {
            "run": str(outcome.run.path),
            "exit_code": code,
            "samples": outcome.n,
            "failed": outcome.n_failed,
        }
        found = {"results": [asdict(r) for r in outcome.results], "averages": by_run(outcome.results)}
        print(words.as_json({**body, **found}))
    else:
        if outcome.results:
            print(words.results(outcome.results, words.published(model, outcome.results)))
            if averages := words.averages(outcome.results):
                print(averages)
        print(f"run: {outcome.run.path}")
        if outcome.interrupted:
            print("interrupted; run the same command again to go on", file=sys.stderr)
    if code == 1:
        print(
            f"{outcome.n_failed} of {outcome.n} samples failed (more than {max_failures:.1%} allowed)",
            file=sys.stderr,
        )
