"""`cambrian-eval run`: a model over benchmarks and vision conditions, into a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import threading
    from types import FrameType

    from cambrian_eval.running.engine import Engine
    from cambrian_eval.running.settings import RunOutcome


def _config(context: typer.Context, value: Path | None) -> Path | None:
    """Reads `--config` before the other options, so that its values become their defaults."""
    if value is not None:
        from cambrian_eval.cli.config import defaults

        found, model_options, *tables = defaults(value, context.command)
        context.default_map = {**(context.default_map or {}), **found}
        context.meta[__name__], (context.meta[DECODING], context.meta[PROCESSOR]) = model_options, tables
    return value


DECODING, PROCESSOR = f"{__name__}.decoding", f"{__name__}.processor"
"""Where a context keeps the settings of decoding and of the image processor in `--config`."""
DEMO = (
    "demo: the small checkpoint that comes with the package, on the miniature suite; for a real model: "
    "cambrian-eval run --model nyu-visionx/cambrian-8b --benchmark all --out runs/8b"
)


def run(
    context: typer.Context,
    model: str = typer.Option(None, help="chance, cambrian:PATH, hf:ID, openai:NAME, or a Hub id."),
    benchmark: str = typer.Option(
        None, help="Names, suites or categories separated by commas, or everything. [default: paper]"
    ),
    out: Path = typer.Option(None, help="The run folder; an existing run is resumed. [default: runs/MODEL]"),
    vision: str = typer.Option(None, help="Conditions separated by commas; see `list conditions`. [default: on]"),
    data: str = typer.Option(None, help="hub, mini or mini:N. [default: hub]"),
    data_root: Path = typer.Option(None, help="Folder with one subfolder for each benchmark."),
    allow_urls: bool = typer.Option(False, help="Download images that rows name by URL."),
    rehash: bool = typer.Option(False, help="Hash data and weight files anew, without the cache of hashes."),
    revision: str = typer.Option(None, help="Revision of the Hub datasets instead of the benchmark's own."),
    recipe: str = typer.Option(
        None,
        metavar="NAME|FILE",
        help="Decoding, thinking and prompts of a model; see `list recipes`. [default: paper]",
    ),
    prompts: str = typer.Option(
        None, help="official (released code), paper (appendix) or authors (of the benchmark). [default: official]"
    ),
    scorer: str = typer.Option("fuzzy,official", help="Scorers to apply; see `list scorers`."),
    official_raw: bool = typer.Option(False, help="Let the official scorer read thoughts too."),
    limit: int = typer.Option(None, min=1, help="Run only the first N samples of each benchmark; pairs stay whole."),
    until: float = typer.Option(
        None, metavar="POINTS", help="Stop a benchmark when its 95 % interval is at most so many points to each side."
    ),
    against: Path = typer.Option(None, metavar="RUN", help="The run that --until-different compares with."),
    until_different: bool = typer.Option(
        False, help="Stop a benchmark when its difference from --against is established, or smaller than --margin."
    ),
    margin: float = typer.Option(None, metavar="POINTS", help="Largest difference that does not matter. [default: 1]"),
    subset: str = typer.Option(
        None, metavar="NAME|FILE", help="Run only the samples of a subset, which `seeing` and `bias` write."
    ),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; repeatable."),
    seed: int = typer.Option(0, help="Random seed."),
    max_new_tokens: int = typer.Option(None, min=1, help="Maximum response length instead of the benchmark's own."),
    decoding: list[str] = typer.Option(
        [], "-G", metavar="NAME=VALUE", help="Decoding: temperature, top_p, top_k, seed, stop, ...; repeatable."
    ),
    thinking: str = typer.Option(
        None, help="on, off, or auto (as the model and its chat template do). [default: auto]"
    ),
    thinking_budget: int = typer.Option(None, min=1, help="Maximum length of a thought. [default: 4096]"),
    system_prompt: str = typer.Option(None, metavar="TEXT|@FILE", help="System prompt instead of the template's own."),
    repeats: int = typer.Option(1, min=1, max=1000, help="Responses to each request; scores are means over them."),
    processor: list[str] = typer.Option(
        [], "-P", metavar="NAME=VALUE", help="A setting of the model's image processor, such as max_pixels; repeatable."
    ),
    max_pixels: int = typer.Option(178_956_970, min=1, help="Samples with larger images fail."),
    max_failures: float = typer.Option(0.01, min=0, max=1, help="Maximum failure rate before the exit code becomes 1."),
    retry_failed: bool = typer.Option(False, help="Retry failed samples when resuming."),
    on_change: str = typer.Option(
        "refuse", help="When resuming with changed rows or prompts: refuse, ask (request again) or reuse."
    ),
    allow_mixed: bool = typer.Option(
        False, help="Accept responses by different models or parameters behind one name; results name them."
    ),
    workers: int = typer.Option(None, min=1, help="Threads that decode images ahead of the model."),
    engine: str = typer.Option("local", help="local (this process) or ray (many GPUs, many machines)."),
    replicas: int = typer.Option(
        None, min=1, help="Copies of the model with ray (default: as many as fit), or servers."
    ),
    gpus_per_replica: float = typer.Option(None, min=0, help="GPUs for each replica; 0 = CPU. [default: 1 if any]"),
    ray_address: str = typer.Option(None, help="Address of a running cluster (auto, HOST:PORT). [default: start one]"),
    replica_timeout: float = typer.Option(
        600.0, min=0.1, help="Seconds without a response before a replica is replaced."
    ),
    serve: str = typer.Option(
        None,
        metavar="COMMAND",
        help="Start this OpenAI-compatible server, run the model that it serves, and stop it; "
        "{port} in it is replaced by a free port.",
    ),
    serve_timeout: float = typer.Option(3600.0, min=1, help="Seconds to wait until the server is ready."),
    shard: str = typer.Option(None, help="i/n: run only the i-th of n parts; `merge` joins them."),
    cache: Path = typer.Option(
        None, help="File of responses shared between runs: only requests that are not in it are sent."
    ),
    notify_command: str = typer.Option(
        None, help="Shell command to run at the end, with CAMBRIAN_EVAL_* variables in its environment."
    ),
    model_options: list[str] = typer.Option(
        [], "-M", metavar="NAME=VALUE", help="An option of the model; repeatable; see `list models --options KIND`."
    ),
    dtype: str = typer.Option(None, help="Short for -M dtype=...; so are the options from here to --allow-missing."),
    device: str = typer.Option(None, help="cpu, cuda, cuda:1 or mps."),
    device_map: str = typer.Option(None, help="auto spreads the model over several devices."),
    batch_size: str = typer.Option(None, help="Requests per batch, or auto."),
    attention: str = typer.Option(None, help="sdpa, flash_attention_2 or eager."),
    quantize: str = typer.Option(None, help="4bit or 8bit (needs bitsandbytes)."),
    adapter: str = typer.Option(None, help="Folder of a LoRA adapter (peft) for the model."),
    towers_root: str = typer.Option(None, help="Folder with local weights of the vision towers."),
    template: str = typer.Option(None, help="Chat template instead of the checkpoint's own."),
    vision_cache_gb: float = typer.Option(None, min=0, help="Memory for encoded images, in GB."),
    deterministic: bool = typer.Option(None, help="Responses do not depend on batches; slower."),
    base_url: str = typer.Option(None, help="Address of an OpenAI-compatible endpoint."),
    concurrency: int = typer.Option(None, min=1, help="Maximum number of requests in flight. [default: 16]"),
    budget: float = typer.Option(None, min=0, help="Maximum cost at an endpoint in US dollars."),
    batch_api: bool = typer.Option(None, help="Use the provider's batch API: hours, at half the price."),
    timeout: float = typer.Option(None, min=0.1, help="Seconds to wait for a response of an endpoint. [default: 120]"),
    outage: float = typer.Option(
        None, min=0, help="Seconds to wait for an endpoint that is not available. [default: 600]"
    ),
    trust_remote_code: bool = typer.Option(None, help="Let a checkpoint run Python code of its own."),
    allow_pickle: bool = typer.Option(None, help="Read pickled .bin weights, with the restricted loader."),
    allow_missing: str = typer.Option(None, help="Patterns of tensors that a checkpoint may lack or have in excess."),
    offline: bool = typer.Option(False, help="Open no connection; use caches only."),
    config: Path = typer.Option(
        None,
        is_eager=True,
        callback=_config,
        help="TOML or YAML file with these options; -M options go into a table `model`.",
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON object at the end."),
    full: bool = typer.Option(False, "--full", help="Results in the long form: each condition and scorer, all counts."),
    quiet: bool = typer.Option(False, help="Show no progress."),
) -> None:
    """Run a model over benchmarks, and resume an existing run; without arguments, run the demo."""
    import contextlib
    import sys

    from cambrian_eval.cli import output
    from cambrian_eval.cli.config import text_or_file
    from cambrian_eval.cli.notify import Notice
    from cambrian_eval.cli.progress import progress
    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.decoding import options as decoding_options
    from cambrian_eval.errors import UserError
    from cambrian_eval.models.recipes.applied import Given, applied, processor_options, processor_settings
    from cambrian_eval.models.recipes.catalog import load
    from cambrian_eval.registry import locate
    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.settings import Settings
    from cambrian_eval.running.sharding import Shard
    from cambrian_eval.running.stopping import rule_of
    from cambrian_eval.safe_text import folder_name

    if offline:
        from cambrian_eval.data.hub import go_offline

        go_offline()
    if serve is not None:
        model = f"openai:{(model or '').removeprefix('openai:')}"
    if model is None and benchmark is None and data is None and data_root is None and config is None:
        model, benchmark, data, vision, out = "demo", "all", "mini", vision or "on,off", out or Path("runs/demo")
        print(DEMO, file=sys.stderr)
    if model is None:
        raise UserError("no model named; give --model, for example --model chance or --model nyu-visionx/cambrian-8b")
    benchmark = "paper" if benchmark is None else benchmark
    if out is None:
        out = Path("runs") / folder_name("-".join(filter(None, (serve or model, adapter, recipe))))
        print(f"run folder: {out} (--out names another)", file=sys.stderr)
    where = DataSpec.parse(data or "hub", data_root, revision, offline, allow_urls, rehash)
    asked = output.named(benchmark, where.offered)
    only = None
    if subset is not None:
        from cambrian_eval.results import subset_runs, subsets

        only = subset_runs.only(subsets.read(subset))
    own_settings = output.settings(set_)
    chosen = None if recipe is None else load(recipe)
    processor = [*context.meta.get(PROCESSOR, ()), *processor]
    given = Given(
        prompts=prompts,  # type: ignore[arg-type]
        decoding={**context.meta.get(DECODING, {}), **decoding_options(decoding)},
        max_new_tokens=max_new_tokens,
        system=None if system_prompt is None else text_or_file(system_prompt, "--system-prompt"),
        thinking=thinking,  # type: ignore[arg-type]
        thinking_budget=thinking_budget,
        processor=processor_settings({"processor": ",".join(processor)}),
    )
    settings = Settings(
        benchmarks=asked.benchmarks,
        conditions=tuple(output.names(vision or "on")),
        data=where,
        scorers=tuple(output.names(scorer)),
        official_raw=official_raw,
        limit=limit,
        only=only,
        seed=seed,
        repeats=repeats,
        max_pixels=max_pixels,
        max_failures=max_failures,
        retry_failed=retry_failed,
        allow_mixed=allow_mixed,
        on_change=on_change,  # type: ignore[arg-type]
        benchmark_settings={
            name: {**asked.settings.get(name, {}), **own_settings.get(name, {})}
            for name in {**asked.settings, **own_settings}
        },
        shard=None if shard is None else Shard.parse(shard),
        until=rule_of(until, against, until_different, margin),
        offline=offline,
        **applied(chosen, given),
        cache=cache,
    )
    flags = dict(
        dtype=dtype,
        device=device,
        device_map=device_map,
        batch_size=batch_size,
        attention=attention,
        quantize=quantize,
        adapter=adapter,
        towers_root=towers_root,
        template=template,
        vision_cache_gb=vision_cache_gb,
        deterministic=deterministic,
        base_url=base_url,
        concurrency=concurrency,
        budget=budget,
        batch_api=batch_api,
        timeout=timeout,
        outage=outage,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        allow_missing=allow_missing,
    )
    options = {
        **context.meta.get(__name__, {}),
        **{name: value for name, value in flags.items() if value is not None},
        **({"processor": ",".join(processor)} if processor else {}),
        **_named_values(model_options),
    }
    options |= processor_options(model, chosen, options)
    shown = progress(quiet)
    stop = _stop_on_interrupt(shown.say)
    if serve is not None:
        _refuse_ray(engine, ray_address)
        from cambrian_eval.engines.serve import ServeEngine
        from cambrian_eval.running.store import SERVER_LOGS

        logs = out / SERVER_LOGS
        driver: Engine = ServeEngine(
            serve, logs, shown.say, stop, replicas, gpus_per_replica, workers, timeout=serve_timeout
        )
    else:
        driver = _engine(
            engine,
            workers,
            shown.say,
            stage=shown.stage,
            replicas=replicas,
            gpus_per_replica=gpus_per_replica,
            address=ray_address,
            timeout=replica_timeout,
            repeat=not locate(model)[0].paid,
        )
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
    _report(outcome, outcome.run.info["model"]["spec"], json, full, code, max_failures)
    notice.ended(outcome, code)
    raise typer.Exit(code)


def _named_values(texts: Sequence[str]) -> dict[str, str]:
    """The values of `-M name=value`."""
    from cambrian_eval.errors import UserError

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise UserError(f"-M {text!r} is not of the form name=value")
        found[name.strip().replace("-", "_")] = value
    return found


def _engine(name: str, workers: int | None, say: Callable[[str], None], **of_ray: Any) -> Engine:
    """The engine of that name; options for Ray alone are refused with another."""
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
            also = "" if flag == "--ray-address" else " or --serve"
            raise UserError(f"{flag} {value} needs --engine ray{also}")
    from cambrian_eval.engines.local import LocalEngine

    return LocalEngine() if workers is None else LocalEngine(workers=workers)


def _refuse_ray(engine: str, address: str | None) -> None:
    """With `--serve` the engine is the server."""
    from cambrian_eval.errors import UserError

    if engine != "local" or address is not None:
        flag = f"--engine {engine}" if address is None else f"--ray-address {address}"
        raise UserError(f"--serve starts servers on this machine; leave out {flag}")


def _stop_on_interrupt(say: Callable[[str], None]) -> threading.Event:
    """The first Ctrl-C or SIGTERM finishes and stores the requests in flight; the second one quits."""
    import signal
    import threading

    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("interrupted: finishing in-flight requests; press Ctrl-C again to quit now")

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def _exit_code(outcome: RunOutcome, max_failures: float) -> int:
    rate = outcome.n_failed / outcome.n if outcome.n else 0.0
    return 130 if outcome.interrupted else 1 if rate > max_failures or outcome.n_outage else 0


def _report(outcome: RunOutcome, model: str, json: bool, full: bool, code: int, max_failures: float) -> None:
    """Prints results on stdout, and warnings on stderr."""
    import shlex
    import sys
    from dataclasses import asdict

    from cambrian_eval.cli import output, summary
    from cambrian_eval.results.averages import by_run

    if json:
        body = {
            "run": str(outcome.run.path),
            "exit_code": code,
            "samples": outcome.n,
            "failed": outcome.n_failed,
            **({} if outcome.n_cached is None else {"cached": outcome.n_cached}),
        }
        found = {"results": [asdict(r) for r in outcome.results], "averages": by_run(outcome.results)}
        print(output.as_json({**body, **found}))
    else:
        if outcome.results:
            summary.show(outcome.results, model, full)
        print(f"run: {outcome.run.path}")
        if outcome.results and not outcome.interrupted:
            print(f"next: cambrian-eval report {shlex.quote(str(outcome.run.path))}")
        if outcome.interrupted:
            print("interrupted; run the same command again to resume", file=sys.stderr)
    if outcome.n_outage:
        print(
            f"{outcome.n_outage} samples failed because the endpoint was not available; "
            "run the same command again to request them",
            file=sys.stderr,
        )
    elif code == 1:
        print(
            f"{outcome.n_failed} of {outcome.n} samples failed (more than {max_failures:.1%} allowed)",
            file=sys.stderr,
        )
