"""`cambrian-eval score`: scores stored responses again; never runs the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cambrian_eval.results.judging import JudgeEstimate, JudgeOutcome
    from cambrian_eval.running.store import Run
    from cambrian_eval.sample import Result
    from cambrian_eval.scoring.judge.requests import JudgeProgress, JudgeSettings


def score(
    run: Path = typer.Argument(help="A run folder."),
    scorer: str = typer.Option(
        "fuzzy,official", help="Scorers, separated by commas: fuzzy, official, a plug-in's, or judge (the LLM judge)."
    ),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    subset: str = typer.Option(
        None,
        metavar="NAME|FILE",
        help="Score only the samples of a subset, in a new run folder that every other command reads.",
    ),
    out: Path = typer.Option(None, help="That folder. [default: RUN-NAME]"),
    judge_model: str = typer.Option(None, help="The judge model, for example gpt-4o-mini."),
    judge_base_url: str = typer.Option(None, help="Base URL of its OpenAI-compatible endpoint. [default: OpenAI]"),
    judge_concurrency: int = typer.Option(16, min=1, help="Number of in-flight requests to the judge."),
    judge_budget: float = typer.Option(None, min=0, help="Most US dollars to spend on the judge for this run."),
    judge_price: str = typer.Option(None, help="INPUT,OUTPUT price in US dollars per million tokens."),
    judge_only_unclear: bool = typer.Option(
        False, help="Send only responses to the judge that exact matching does not decide."
    ),
    judge_retry_undecided: bool = typer.Option(False, help="Send undecided responses to the judge again."),
    judge_timeout: float = typer.Option(60.0, min=0.1, help="Seconds to wait for a response of the judge."),
    judge_outage: float = typer.Option(600.0, min=0, help="Seconds to wait for a judge that is not available."),
    judge_max_tokens: int = typer.Option(64, min=1, help="Token limit of a response of the judge."),
    judge_cache: Path = typer.Option(None, help="Folder of the judge's cached responses. [default: the user's cache]"),
    official_raw: bool = typer.Option(False, help="Let the official scorer read thoughts too."),
    dry_run: bool = typer.Option(False, help="Print the number of requests and the estimated cost; send nothing."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
    full: bool = typer.Option(False, "--full", help="Results in the long form: each condition and scorer, all counts."),
    quiet: bool = typer.Option(False, help="No progress."),
    processes: int = typer.Option(
        None, min=1, help="Processes that score benchmarks at the same time. [default: one for each processor]"
    ),
) -> None:
    """Score stored responses again. The API key of the judge is read from OPENAI_API_KEY."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.judging import SCORER
    from cambrian_eval.running.store import open_run

    stored = open_run(run)
    only = output.benchmarks(benchmark) if benchmark else None
    scorers = output.names(scorer)
    if not scorers:
        raise UserError("--scorer is empty; give for example --scorer fuzzy,official or --scorer judge")
    judge = None
    if SCORER in scorers:
        if judge_model is None:
            raise UserError("--scorer judge needs --judge-model NAME, for example --judge-model gpt-4o-mini")
        from cambrian_eval.scoring.judge.requests import JudgeSettings

        judge = JudgeSettings(
            model=judge_model,
            base_url=judge_base_url,
            concurrency=judge_concurrency,
            budget=judge_budget,
            price=judge_price,
            timeout=judge_timeout,
            outage=judge_outage,
            max_new_tokens=judge_max_tokens,
            only_unclear=judge_only_unclear,
            retry_undecided=judge_retry_undecided,
            cache=judge_cache,
        )
    if subset is not None:
        stored = _on_subset(stored, subset, out, only)
    elif out is not None:
        raise UserError("--out is for --subset; without it, the scores are stored in the run itself")
    if dry_run:
        if judge is None:
            raise UserError("--dry-run estimates the cost of the LLM judge; add --scorer judge")
        _print_estimate(stored, judge, only, json)
        return
    _score(stored, [s for s in scorers if s != SCORER], judge, only, official_raw, json, full, quiet, processes)


def _on_subset(run: Run, name: str, out: Path | None, only: list[str] | None) -> Run:
    """A new run with the samples of a subset."""
    from cambrian_eval.cli import output
    from cambrian_eval.results import subset_runs, subsets

    subset = subsets.read(name)
    folder = run.path.with_name(f"{run.path.name}-{subset.name}") if out is None else out
    made = subset_runs.write_subset_run(run, subset, folder, only)
    output.say(f"run folder: {made.path}")
    return made


def _score(
    run: Run,
    rules: list[str],
    judge: JudgeSettings | None,
    only: list[str] | None,
    official_raw: bool,
    json: bool,
    full: bool,
    quiet: bool,
    processes: int | None,
) -> None:
    """Scores with rules first, then with the judge. Exit code 1 if the judge did not finish, 130 if interrupted."""
    from dataclasses import asdict

    from cambrian_eval.cli import output, summary
    from cambrian_eval.processes import processes_for
    from cambrian_eval.results.averages import by_run
    from cambrian_eval.results.grading import score_run

    number = processes or processes_for(run.response_bytes())
    found: list[Result] = (
        score_run(run, rules, only, official_raw=official_raw, say=_warn, processes=number) if rules else []
    )
    outcome, interrupted = (None, False) if judge is None else _judge(run, judge, only, quiet)
    if outcome is not None:
        found += outcome.results
    if json:
        body: dict[str, Any] = {"run": str(run.path), "results": [asdict(r) for r in found], "averages": by_run(found)}
        if outcome is not None:
            body["judge"] = {k: v for k, v in asdict(outcome).items() if k != "results"}
        print(output.as_json(body))
    elif found:
        summary.show(found, run.info["model"]["name"], full)
    if outcome is not None:
        if not json:
            print(_cost(outcome))
        if outcome.stopped is not None:
            output.say(f"the judge did not finish: {outcome.stopped}")
            raise typer.Exit(130 if interrupted else 1)


def _warn(text: str) -> None:
    from cambrian_eval.cli import output

    output.say(f"warning: {text}")


def _judge(run: Run, settings: JudgeSettings, only: list[str] | None, quiet: bool) -> tuple[JudgeOutcome, bool]:
    """The outcome of the judge, and whether Ctrl-C was pressed (or SIGTERM came): in-flight requests then finish."""
    import signal
    import sys
    import threading

    from cambrian_eval.results.judging import judge_run

    stop = threading.Event()

    def interrupt(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\nfinishing in-flight requests; press Ctrl-C again to quit now", file=sys.stderr)

    def show(progress: JudgeProgress) -> None:
        text = f"judge {progress.done}/{progress.total} · {progress.prompt_tokens + progress.new_tokens} tokens"
        text += f" · ${progress.cost:.4f}" if progress.cost else ""
        text += f" · {progress.failed} failed" if progress.failed else ""
        print(f"\r{text}", end="" if progress.done < progress.total else "\n", file=sys.stderr, flush=True)

    on_progress = show if not quiet and sys.stderr.isatty() else lambda progress: None
    in_main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        return judge_run(run, settings, only, on_progress, stop), stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cost(outcome: JudgeOutcome) -> str:
    text = f"judge: {outcome.requests} requests sent, {outcome.cached} cached, {outcome.undecided} undecided, "
    text += f"{outcome.prompt_tokens} prompt tokens, {outcome.new_tokens} response tokens"
    if outcome.cost is None:
        return f"{text}, cost unknown (no price; give --judge-price)"
    return f"{text}, cost ${outcome.cost:.4f}, total for this run ${outcome.spent_on_run:.4f}"


def _print_estimate(run: Run, settings: JudgeSettings, only: list[str] | None, json: bool) -> None:
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.judging import estimate

    found: JudgeEstimate = estimate(run, settings, only)
    if json:
        print(output.as_json({"run": str(run.path), "dry_run": asdict(found)}))
        return
    print(f"{found.responses} responses: {found.without_judge} need no judge, {found.cached} requests are cached")
    tokens = f"about {found.prompt_tokens} prompt tokens, {found.new_tokens} response tokens"
    cost = "cost unknown (no price; give --judge-price)" if found.cost is None else f"cost about ${found.cost:.4f}"
    print(f"{found.requests} requests to {settings.model}: {tokens}, {cost}")
