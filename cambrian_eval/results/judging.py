"""Applies the LLM judge to what a run has stored: plans the requests, asks what no cache knows, stores verdicts.

    RUN/judge/about.json        judge, prompt with its hash, price, what this run has spent on it
    RUN/judge/ledger.jsonl      one line for each reply that was paid for, written as it comes
    RUN/judge/<benchmark>.<condition>.jsonl    per answer: the replies, tokens, cost, and how the verdict came about

A reply is in the shared cache before anything else happens, so a killed scoring asks nothing twice and ends with
the same files.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.endpoint.address import place_of
from cambrian_eval.endpoint.asking import Endpoint
from cambrian_eval.endpoint.replies import printable
from cambrian_eval.endpoint.spending import Budget, Price, price_of
from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import benchmark_of, failed_verdict, responses_of, save_results, summarize_cell
from cambrian_eval.running.store import Cell, Record, Run
from cambrian_eval.sample import Result, Sample, Verdict
from cambrian_eval.scoring.judge.bench import Bench, JudgeSettings, Tally, missing
from cambrian_eval.scoring.judge.cache import KeptReply, ReplyCache, default_folder
from cambrian_eval.scoring.judge.ledger import Ledger
from cambrian_eval.scoring.judge.prompt import (
    PROMPT_SHA256,
    PROMPT_VERSION,
    case_of,
    chat_of,
    key_of,
    prompt_facts,
    verdict_in,
)
from cambrian_eval.scoring.judge.settled import settled
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply

SCORER = "judge"
"""The name its verdicts are stored under."""
TYPICAL_REPLY = 8
"""Tokens of a usual verdict, for estimates."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a scoring would ask."""

    answers: int
    """All stored answers of the cells."""
    settled: int
    """Answers that need no request: failed, withheld, or settled by fuzzy matching."""
    cached: int
    """Requests whose reply is in the cache already."""
    requests: int
    """Requests that would be sent."""
    prompt_tokens: int
    """About how many tokens those requests have."""
    new_tokens: int
    """About how many tokens their replies have."""
    cost: float | None
    """US dollars; None where the model has no known price."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a scoring came to."""

    results: tuple[Result, ...]
    """The judge's result of each cell."""
    requests: int
    """Replies that were paid for now."""
    cached: int
    """Replies taken from the cache."""
    undecided: int
    """Answers that got no verdict."""
    prompt_tokens: int
    """Tokens sent now."""
    new_tokens: int
    """Tokens received now."""
    cost: float | None
    """US dollars spent now; None where the model has no known price."""
    spent_on_run: float | None
    """US dollars spent on this run by all scorings."""
    stopped: str | None
    """Why it ended early, where it did."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One answer: its verdict where none has to be asked for, else the case."""

    sample: Sample
    verdict: Verdict | None
    case: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Sheet:
    """All answers of a cell."""

    cell: Cell
    samples: list[Sample]
    records: list[Record]
    items: list[_Item]


def estimate(run: Run, settings: JudgeSettings, benchmarks: Iterable[str] | None = None) -> Estimate:
    """Counts what would be asked; opens no connection and needs no key."""
    sheets = _sheets(run, settings, benchmarks)
    place = place_of(settings.base_url or os.environ.get("OPENAI_BASE_URL"))
    price = price_of(settings.model, settings.price)
    cache = ReplyCache(settings.cache or default_folder(), settings.model, place)
    try:
        cases = _cases(sheets, settings.model, place)
        open_chats = [
            chat_of(case, settings.max_new_tokens) for key, case in cases.items() if missing(cache.get(key), settings)
        ]
    finally:
        cache.close()
    prompt, new = sum(c.prompt_tokens for c in open_chats), TYPICAL_REPLY * len(open_chats)
    items = [i for sheet in sheets for i in sheet.items]
    return Estimate(
        answers=len(items),
        settled=sum(i.case is None for i in items),
        cached=len(cases) - len(open_chats),
        requests=len(open_chats),
        prompt_tokens=prompt,
        new_tokens=new,
        cost=None if price is None else price.cost(prompt, new),
    )


def judge_run(
    run: Run,
    settings: JudgeSettings,
    benchmarks: Iterable[str] | None = None,
    watch: Callable[[Tally], None] = lambda tally: None,
    stop: threading.Event | None = None,
) -> Judged:
    """Judges every stored answer and stores verdicts, details and results."""
    price = price_of(settings.model, settings.price)
    if settings.budget is not None and price is None:
        raise UserError(
            f"no price is known for {settings.model!r}, so --judge-budget cannot hold; "
            "give --judge-price INPUT,OUTPUT (dollars for a million tokens)"
        )
    with run.writing():
        sheets = _sheets(run, settings, benchmarks)
        ledger = Ledger(run.path / "judge" / "ledger.jsonl")
        budget = None
        if settings.budget is not None and price is not None:
            budget = Budget(settings.budget, price, ledger.spent)
        endpoint = Endpoint(
            settings.model,
            settings.base_url,
            concurrency=settings.concurrency,
            timeout=settings.timeout,
            price=price,
            budget=budget,
        )
        cache = ReplyCache(settings.cache or default_folder(), settings.model, endpoint.place)
        bench = Bench(endpoint, cache, ledger, settings, watch, stop)
        try:
            bench.judge(_cases(sheets, settings.model, endpoint.place))
            results = [r for sheet in sheets if (r := _stored(run, sheet, bench, price)) is not None]
            save_results(run, results)
            run.save_file("judge/about.json", _about(run, endpoint, price, ledger))
        finally:
            cache.close()
            ledger.close()
    tally = bench.tally
    return Judged(
        results=tuple(results),
        requests=tally.requests,
        cached=bench.cached,
        undecided=bench.undecided,
        prompt_tokens=tally.prompt_tokens,
        new_tokens=tally.new_tokens,
        cost=None if price is None else tally.cost,
        spent_on_run=None if price is None else ledger.spent,
        stopped=bench.stopped,
    )


def _sheets(run: Run, settings: JudgeSettings, benchmarks: Iterable[str] | None) -> list[_Sheet]:
    """Every answer to be judged, cell by cell."""
    wanted = None if benchmarks is None else set(benchmarks)
    cells = [c for c in run.cells() if wanted is None or c.benchmark in wanted]
    if not cells:
        raise UserError(f"{run.path} has no responses to judge; it has: {', '.join(run.benchmarks()) or 'nothing'}")
    sheets = []
    for cell in cells:
        fuzzy = benchmark_of(run, cell.benchmark).fuzzy
        samples, records = responses_of(run, cell)
        items = []
        for sample, record in zip(samples, records, strict=True):
            verdict, answer = None, Reply(record.text)
            if record.finish == "failed":
                verdict = failed_verdict(record.error)
            elif not sample.answers:
                verdict = Verdict(0.0, None, "the answer is withheld: there is nothing to judge by", outcome="withheld")
            elif answer.unfinished:
                verdict = unread("unfinished thought")
            elif settings.only_unclear:
                verdict = settled(sample, str(answer), fuzzy(sample, answer))
            items.append(_Item(sample, verdict, None if verdict else case_of(sample, str(answer))))
        sheets.append(_Sheet(cell, samples, records, items))
    return sheets


def _cases(sheets: Sequence[_Sheet], model: str, place: str) -> dict[str, dict[str, Any]]:
    """Cases by key; equal answers to equal questions are one case."""
    return {key_of(model, place, i.case): i.case for sheet in sheets for i in sheet.items if i.case is not None}


def _stored(run: Run, sheet: _Sheet, bench: Bench, price: Price | None) -> Result | None:
    """Stores a cell's verdicts and details; None where a stop left every case of it unheard."""
    samples, records, verdicts, details = [], [], [], []
    unheard = 0
    for item, record in zip(sheet.items, sheet.records, strict=True):
        replies = [] if item.case is None else bench.replies(item.case)
        verdict = item.verdict or _verdict(item, replies, bench)
        if verdict is None:
            unheard += 1
            continue
        samples.append(item.sample)
        records.append(record)
        verdicts.append(verdict)
        details.append(_detail(item, verdict, replies, price))
    if not verdicts or (unheard and unheard == sum(i.case is not None for i in sheet.items)):
        return None
    run.save_verdicts(sheet.cell, SCORER, [s.id for s in samples], verdicts)
    run.save_file(f"judge/{sheet.cell.stem}.jsonl", "".join(json.dumps(d) + "\n" for d in details))
    benchmark = benchmark_of(run, sheet.cell.benchmark)
    result = summarize_cell(run, benchmark, sheet.cell, samples, records, verdicts, SCORER)
    return _with_notes(result, sheet, verdicts, unheard, bench)


def _verdict(item: _Item, replies: Sequence[KeptReply], bench: Bench) -> Verdict | None:
    """The verdict the replies amount to; None where a stop came first."""
    right = verdict_in(replies[-1].text) if replies else None
    if right is not None:
        word = "CORRECT" if right else "INCORRECT"
        return Verdict(float(right), word, f"the judge says {word}")
    if item.case is not None and (reason := bench.reason(item.case)):
        return Verdict(0.0, None, f"undecided: the judge could not be asked ({reason})", outcome="undecided")
    if len(replies) == 2:
        said = " ".join(replies[-1].text.split())[:80]
        return Verdict(0.0, None, f"undecided: two replies were no verdict, the last {said!r}", outcome="undecided")
    return None


def _detail(item: _Item, verdict: Verdict, replies: Sequence[KeptReply], price: Price | None) -> dict[str, Any]:
    prompt, new = sum(r.prompt_tokens for r in replies), sum(r.new_tokens for r in replies)
    return {
        "id": item.sample.id,
        "asked": item.case is not None,
        "value": verdict.value,
        "undecided": verdict.outcome == "undecided",
        "rule": verdict.rule,
        "replies": [printable(r.text) for r in replies],
        "prompt_tokens": prompt,
        "new_tokens": new,
        "cost": None if price is None or item.case is None else price.cost(prompt, new),
    }


def _with_notes(result: Result, sheet: _Sheet, verdicts: Sequence[Verdict], unheard: int, bench: Bench) -> Result:
    """The result with what a reader must know of the judge."""
    from dataclasses import replace

    name = bench.endpoint.model
    notes = [f"judged by {name} ({bench.endpoint.place}), prompt {PROMPT_VERSION} ({PROMPT_SHA256[:12]})"]
    undecided = sum(v.outcome == "undecided" for v in verdicts)
    bench.undecided += undecided
    if undecided:
        notes.append(f"{undecided} answers are undecided and count as wrong")
    skipped = sum(v.rule.startswith("settled without") for v in verdicts)
    if skipped:
        notes.append(f"{skipped} of {len(verdicts)} answers were settled without the judge")
    if unheard:
        notes.append(f"partial: {unheard} of {len(sheet.items)} answers were not judged")
    return replace(result, notes=(*result.notes, *notes), complete=result.complete and not unheard)


def _about(run: Run, endpoint: Endpoint, price: Price | None, ledger: Ledger) -> str:
    """judge/about.json: what is needed to repeat the judging, and what it has cost."""
    facts = {
        "judge": endpoint.model,
        "place": endpoint.place,
        "prompt": prompt_facts(),
        "temperature": 0,
        "price_per_million_tokens": None if price is None else [price.input, price.output],
        "spent": {
            "requests": ledger.requests,
            "prompt_tokens": ledger.prompt_tokens,
            "new_tokens": ledger.new_tokens,
            "cost": None if price is None else ledger.spent,
        },
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
