"""`cambrian-eval score`: scores stored responses again; never runs the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cambrian_eval.results.judging import Estimate, Judged
    from cambrian_eval.running.store import Run
    from cambrian_eval.sample import Result
    from cambrian_eval.scoring.judge.bench import JudgeSettings


def score(
    run: Path = typer.Argument(help="A run folder."),
    scorer: str = typer.Option("fuzzy,official", help="fuzzy, official, judge, separated by commas."),
    benchmark: str = typer.Option(None, help="Only these benchmarks."),
    judge_model: str = typer.Option(None, help="The model that judges, for example gpt-4o-mini."),
    judge_base_url: str = typer.Option(None, help="Its OpenAI-compatible endpoint. [default: OpenAI]"),
    judge_concurrency: int = typer.Option(16, min=1, help="Requests to the judge at a time."),
    judge_budget: float = typer.Option(None, min=0, help="Most dollars this run may spend on the judge."),
    judge_price: str = typer.Option(None, help="INPUT,OUTPUT dollars for a million tokens."),
    judge_only_unclear: bool = typer.Option(False, help="Ask only what fuzzy matching does not settle."),
    judge_retry_undecided: bool = typer.Option(False, help="Ask again what was undecided before."),
    judge_timeout: float = typer.Option(60.0, min=0.1, help="Seconds to wait for one reply."),
    judge_max_tokens: int = typer.Option(64, min=1, help="Longest reply of the judge."),
    judge_cache: Path = typer.Option(None, help="Folder of kept replies. [default: the user's cache]"),
    official_raw: bool = typer.Option(False, help="Let the official scorer read thoughts too."),
    dry_run: bool = typer.Option(False, help="Print what the judge would be asked and cost; ask nothing."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
    quiet: bool = typer.Option(False, help="No progress."),
) -> None:
    """Score a run again. The judge's key is read from OPENAI_API_KEY."""
    from cambrian_eval.cli import words
    from cambrian_eval.errors import UserError
    from cambrian_eval.results.judging import SCORER
    from cambrian_eval.running.store import open_run
    from cambrian_eval.scoring.judge.bench import JudgeSettings

    stored = open_run(run)
    only = words.benchmarks(benchmark) if benchmark else None
    scorers = words.names(scorer)
    if not scorers:
        raise UserError("no scorer named; give --scorer fuzzy, official or judge")
    judging = None
    if SCORER in scorers:
        if judge_model is None:
            raise UserError("--scorer judge needs --judge-model NAME, for example --judge-model gpt-4o-mini")
        judging = JudgeSettings(
            model=judge_model,
            base_url=judge_base_url,
            concurrency=judge_concurrency,
            budget=judge_budget,
            price=judge_price,
            timeout=judge_timeout,
            max_new_tokens=judge_max_tokens,
            only_unclear=judge_only_unclear,
            retry_undecided=judge_retry_undecided,
            cache=judge_cache,
        )
    if dry_run:
        if judging is None:
            raise UserError("--dry-run estimates what a judge would cost; add --scorer judge")
        _print_estimate(stored, judging, only, json)
        return
    _score(stored, [s for s in scorers if s != SCORER], judging, only, official_raw, json, quiet)


def _score(
    run: Run,
    rules: list[str],
    judging: JudgeSettings | None,
    only: list[str] | None,
    official_raw: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Rules first, because they cost nothing; then the judge. Exit code 1 where the judge did not finish."""
    import sys
    from dataclasses import asdict

    from cambrian_eval.cli import words
    from cambrian_eval.results.averages import by_run
    from cambrian_eval.results.grading import score_run

    found: list[Result] = score_run(run, rules, only, official_raw=official_raw) if rules else []
    judged = None if judging is None else _judge(run, judging, only, quiet)
    if judged is not None:
        found += judged.results
    if json:
        body: dict[str, Any] = {"run": str(run.path), "results": [asdict(r) for r in found], "averages": by_run(found)}
        if judged is not None:
            body["judge"] = {k: v for k, v in asdict(judged).items() if k != "results"}
        print(words.as_json(body))
    elif found:
        print(words.results(found, words.published(run.info["model"]["name"], found)))
        if averages := words.averages(found):
            print(averages)
    if judged is not None:
        if not json:
            print(_spent(judged))
        if judged.stopped is not None:
            print(f"the judge did not finish: {judged.stopped}", file=sys.stderr)
            raise typer.Exit(130 if judged.stopped.startswith("interrupted") else 1)


def _judge(run: Run, settings: JudgeSettings, only: list[str] | None, quiet: bool) -> Judged:
    """Asks the judge; Ctrl-C once lets what is under way finish, twice ends at once."""
    import signal
    import sys
    import threading

    from cambrian_eval.results.judging import judge_run
    from cambrian_eval.scoring.judge.bench import Tally

    stop = threading.Event()

    def interrupt(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\ninterrupted: waiting for the replies under way; press Ctrl-C again to end", file=sys.stderr)

    def watch(tally: Tally) -> None:
        text = f"judge {tally.done}/{tally.total} · {tally.prompt_tokens + tally.new_tokens} tokens"
        text += f" · ${tally.cost:.4f}" if tally.cost else ""
        text += f" · {tally.failed} failed" if tally.failed else ""
        print(f"\r{text}", end="" if tally.done < tally.total else "\n", file=sys.stderr, flush=True)

    shown = watch if not quiet and sys.stderr.isatty() else lambda tally: None
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, interrupt) if in_main else None
    try:
        return judge_run(run, settings, only, shown, stop)
    finally:
        if in_main:
            signal.signal(signal.SIGINT, before)


def _spent(judged: Judged) -> str:
    text = f"judge: {judged.requests} requests, {judged.cached} replies from the cache, "
    text += f"{judged.undecided} undecided, {judged.prompt_tokens} + {judged.new_tokens} tokens"
    if judged.cost is None:
        return f"{text} (no price known)"
    return f"{text}, ${judged.cost:.4f} now, ${judged.spent_on_run:.4f} on this run in all"


def _print_estimate(run: Run, settings: JudgeSettings, only: list[str] | None, json: bool) -> None:
    from dataclasses import asdict

    from cambrian_eval.cli import words
    from cambrian_eval.results.judging import estimate

    found: Estimate = estimate(run, settings, only)
    if json:
        print(words.as_json({"run": str(run.path), "dry_run": asdict(found)}))
        return
    print(f"{found.answers} answers: {found.settled} need no judge, {found.cached} cases are in the cache")
    cost = "no price known; give --judge-price" if found.cost is None else f"about ${found.cost:.4f}"
    tokens = f"about {found.prompt_tokens} + {found.new_tokens} tokens"
    print(f"{found.requests} requests to {settings.model}, {tokens}, {cost}")
