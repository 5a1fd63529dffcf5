"""Applies the LLM judge to a stored run: plans the requests, sends those that are not cached, stores the verdicts.

    RUN/judge/about.json        judge, prompt with its hash, price, total cost for this run
    RUN/judge/ledger.jsonl      cost log: one line for each response of the judge, written as it arrives
    RUN/judge/<benchmark>.<condition>.jsonl    for each sample: the judge's responses, tokens, cost and verdict

A response of the judge is stored in the shared cache first. A killed scoring therefore sends no request twice, and
ends with the same files when it is resumed.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cambrian_eval.endpoint.address import checked_url, place_of
from cambrian_eval.endpoint.budget import Budget, Price, price_of
from cambrian_eval.endpoint.client import Endpoint
from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.endpoint.responses import printable
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.json_input import parse_object
from cambrian_eval.judging import SCORER, Judging
from cambrian_eval.results.averages import JUDGED_BY
from cambrian_eval.results.basis import checked_verdicts, rules_of, with_basis
from cambrian_eval.results.cell_notes import cell_notes
from cambrian_eval.results.grading import benchmark_of, responses_of, save_results, summarize_cell
from cambrian_eval.results.verdicts import failed_verdict
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result, Sample, Verdict
from cambrian_eval.scoring.judge.cache import CachedResponse, ResponseCache, default_folder
from cambrian_eval.scoring.judge.certain import certain_verdict
from cambrian_eval.scoring.judge.prompt import (
    PROMPT_SHA256,
    PROMPT_VERSION,
    cache_key,
    graded_input,
    judge_input,
    judge_request,
    parse_verdict,
    prompt_facts,
)
from cambrian_eval.scoring.judge.requests import JudgeProgress, JudgeRequests, JudgeSettings, must_send
from cambrian_eval.scoring.reading import unread

TYPICAL_NEW_TOKENS = 8
"""Tokens of a typical response of the judge, for estimates."""


@dataclass(frozen=True, slots=True)
class JudgeEstimate:
    """What a scoring would send, and what it would cost."""

    responses: int
    """All stored responses of the selected benchmarks."""
    without_judge: int
    """Responses that need no request: failed, withheld, or decided by exact match."""
    cached: int
    """Requests whose response is cached."""
    requests: int
    """Requests that would be sent."""
    prompt_tokens: int
    """Estimated tokens of these requests."""
    new_tokens: int
    """Estimated tokens of the responses to them."""
    cost: float | None
    """US dollars; None where the price of the judge is not known."""


@dataclass(frozen=True, slots=True)
class JudgeOutcome:
    """The results and the cost of a scoring."""

    results: tuple[Result, ...]
    """The judge's result of each benchmark and condition."""
    requests: int
    """Requests sent by this scoring and answered."""
    cached: int
    """Requests whose response was cached."""
    undecided: int
    """Responses that the judge gave no verdict on."""
    prompt_tokens: int
    """Tokens sent by this scoring."""
    new_tokens: int
    """Tokens received by this scoring."""
    cost: float | None
    """US dollars spent by this scoring; None where the price of the judge is not known."""
    spent_on_run: float | None
    """US dollars spent on this run by all scorings."""
    stopped: str | None
    """Why the scoring ended early; None where it did not."""


@dataclass(frozen=True, slots=True)
class _PlannedSample:
    """A sample with its response, and either a verdict that needs no judge or the input for the judge."""

    sample: Sample
    record: Record
    verdict: Verdict | None
    judge_input: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _CellPlan:
    """All responses of one benchmark under one condition."""

    cell: Cell
    samples: list[_PlannedSample]


def estimate(run: Run, settings: JudgeSettings, benchmarks: Iterable[str] | None = None) -> JudgeEstimate:
    """Counts the requests that a scoring would send; opens no connection and needs no API key."""
    plans = _plan(run, settings, benchmarks)
    place = place_of(checked_url(settings.base_url or os.environ.get("OPENAI_BASE_URL") or None))
    price = price_of(settings.model, settings.price)
    cache = ResponseCache(settings.cache or default_folder(), settings.model, place)
    try:
        inputs = _inputs(plans, settings.model, place)
        requests = [
            judge_request(values, settings.max_new_tokens)
            for key, values in inputs.items()
            if must_send(values, cache.get(key), settings)
        ]
    finally:
        cache.close()
    prompt, new = sum(r.prompt_tokens for r in requests), TYPICAL_NEW_TOKENS * len(requests)
    samples = [s for plan in plans for s in plan.samples]
    return JudgeEstimate(
        responses=len(samples),
        without_judge=sum(s.judge_input is None for s in samples),
        cached=len(inputs) - len(requests),
        requests=len(requests),
        prompt_tokens=prompt,
        new_tokens=new,
        cost=None if price is None else price.cost(prompt, new),
    )


def judge_run(
    run: Run,
    settings: JudgeSettings,
    benchmarks: Iterable[str] | None = None,
    on_progress: Callable[[JudgeProgress], None] = lambda progress: None,
    stop: threading.Event | None = None,
) -> JudgeOutcome:
    """Judges every stored response and stores verdicts, details and results."""
    price = price_of(settings.model, settings.price)
    if settings.budget is not None and price is None:
        raise UserError(
            f"no price is known for {settings.model!r}, so --judge-budget cannot be enforced; "
            "give --judge-price INPUT,OUTPUT (dollars per million tokens)"
        )
    with run.writing():
        plans = _plan(run, settings, benchmarks)
        cost_log = CostLog(run.path / "judge" / "ledger.jsonl", settings.model, strict=settings.budget is not None)
        endpoint = Endpoint(
            settings.model,
            settings.base_url,
            concurrency=settings.concurrency,
            timeout=settings.timeout,
            outage=settings.outage,
            price=price,
            budget=Budget(settings.budget, price, log=cost_log),
        )
        cache = ResponseCache(settings.cache or default_folder(), settings.model, endpoint.place)
        judge = JudgeRequests(endpoint, cache, settings, on_progress, stop)
        try:
            judge.send(_inputs(plans, settings.model, endpoint.place))
            stored = [s for plan in plans if (s := _store_cell(run, plan, judge, price)) is not None]
            save_results(run, [result for result, _ in stored])
            run.save_file("judge/about.json", _about(endpoint, price, cost_log))
        finally:
            cache.close()
    progress = judge.progress
    return JudgeOutcome(
        results=tuple(result for result, _ in stored),
        requests=progress.requests,
        cached=judge.cached,
        undecided=sum(undecided for _, undecided in stored),
        prompt_tokens=progress.prompt_tokens,
        new_tokens=progress.new_tokens,
        cost=None if price is None else progress.cost,
        spent_on_run=None if price is None else cost_log.spent,
        stopped=judge.stopped,
    )


def decided_without_judge(run: Run, cell: Cell) -> set[tuple[str, int]]:
    """Sample and repeat of the responses whose `judge` verdict was by exact match, without a request to the judge."""
    path = run.path / "judge" / f"{cell.stem}.jsonl"
    if not path.is_file():
        return set()
    checked_verdicts(run, cell, SCORER)
    verdicts = run.all_verdicts(cell, SCORER)
    try:
        details = [parse_object(line, str(path)) for line in path.read_bytes().splitlines()]
        ids = {(str(d["id"]), int(d.get("repeat", 0))) for d in details if not d["asked"]}
    except (UserError, KeyError, ValueError, TypeError, OSError):
        raise UserError(f"{path} is damaged; create it again with: cambrian-eval score --scorer judge") from None
    return {i for i in ids if i in verdicts and verdicts[i].outcome in ("read", "unparsed")}


def _plan(run: Run, settings: JudgeSettings, benchmarks: Iterable[str] | None) -> list[_CellPlan]:
    """Every stored response, by benchmark and condition, with what is known about its verdict already."""
    wanted = None if benchmarks is None else set(benchmarks)
    cells = [c for c in run.cells() if wanted is None or c.benchmark in wanted]
    if not cells:
        raise UserError(f"{run.path} has no responses to judge; it has: {', '.join(run.benchmarks()) or 'nothing'}")
    plans = []
    for cell in cells:
        benchmark = benchmark_of(run, cell.benchmark)
        judging = benchmark.judging
        planned = []
        samples, repeated = responses_of(run, cell)
        for sample, record in ((s, r) for row in repeated for s, r in zip(samples, row, strict=True)):
            verdict, answer = None, record.reply
            if record.finish == "failed":
                verdict = failed_verdict(record.error)
            elif not sample.answers:
                verdict = Verdict(0.0, None, "the gold answer is withheld", outcome="withheld")
            elif answer.unfinished:
                verdict = unread("unfinished thought")
            elif settings.only_unclear and judging is None:
                verdict = certain_verdict(sample, str(answer), benchmark.fuzzy(sample, answer))
            values = None
            if verdict is None and judging is not None:
                values = graded_input(cell.benchmark, judging, sample, str(answer))
            elif verdict is None:
                values = judge_input(sample, str(answer))
            planned.append(_PlannedSample(sample, record, verdict, values))
        plans.append(_CellPlan(cell, planned))
    return plans


def _inputs(plans: Sequence[_CellPlan], model: str, place: str) -> dict[str, Mapping[str, Any]]:
    """The inputs for the judge by cache key; equal responses to equal questions are one input."""
    samples = [s for plan in plans for s in plan.samples]
    return {cache_key(model, place, s.judge_input): s.judge_input for s in samples if s.judge_input is not None}


def _store_cell(run: Run, plan: _CellPlan, judge: JudgeRequests, price: Price | None) -> tuple[Result, int] | None:
    """Stores verdicts and details of a cell; returns its result and the number of undecided responses.

    None where the scoring stopped before any response of the cell was judged.
    """
    judged: list[tuple[_PlannedSample, Verdict]] = []
    details = []
    served_by: set[str] = set()
    benchmark = benchmark_of(run, plan.cell.benchmark)
    for planned in plan.samples:
        responses = [] if planned.judge_input is None else judge.responses(planned.judge_input)
        served_by.update(r.served_by for r in responses if r.served_by)
        verdict = planned.verdict or _verdict(planned, responses, judge, benchmark.judging)
        if verdict is not None:
            judged.append((planned, verdict))
            details.append(_detail(planned, verdict, responses, price))
    missing = len(plan.samples) - len(judged)
    if not judged or (missing and missing == sum(p.judge_input is not None for p in plan.samples)):
        return None
    found = {(p.sample.id, p.record.repeat): (p, v) for p, v in judged}
    numbers = sorted({p.record.repeat for p in plan.samples})
    samples = [p.sample for p, _ in judged if not p.record.repeat and all((p.sample.id, n) in found for n in numbers)]
    rows = [[found[s.id, n] for s in samples] for n in numbers]
    records, verdicts = [[p.record for p, _ in row] for row in rows], [[v for _, v in row] for row in rows]
    run.save_file(f"judge/{plan.cell.stem}.jsonl", "".join(json.dumps(d) + "\n" for d in details))
    shared = cell_notes(run, plan.cell, samples, records)
    result = summarize_cell(run, benchmark, plan.cell, samples, records, verdicts, SCORER, shared)
    endpoint = judge.endpoint
    prompt, version = f"prompt {PROMPT_VERSION} ({PROMPT_SHA256[:12]})", f"{PROMPT_VERSION}+{PROMPT_SHA256[:12]}"
    if benchmark.judging is not None:
        version = f"{benchmark.name} {benchmark.judging.version}"
        prompt = f"prompt {version}"
    notes = [f"{JUDGED_BY}{endpoint.model} ({endpoint.place}), {prompt}"]
    if len(served_by) > 1:
        notes.append(f"mixed: several models judged under this name: {', '.join(sorted(served_by))}")
    if undecided := sum(v.outcome == "undecided" for _, v in judged):
        done = "counted as wrong" if benchmark.judging is None else "left out of the means"
        notes.append(f"undecided: {undecided} of {len(judged)} responses, {done}")
    if exact := sum(p.judge_input is None and v.outcome in ("read", "unparsed") for p, v in judged):
        notes.append(f"without the judge: {exact} of {len(judged)} responses were decided by exact match")
    if missing:
        notes.append(f"partial: {missing} of {len(plan.samples)} responses were not judged")
    result = replace(result, notes=(*result.notes, *notes), complete=result.complete and not missing)
    rules = rules_of(plan.cell.benchmark, SCORER, f"judge prompt {version}")
    return with_basis(run, result, [s.id for s in samples], verdicts, rules, run.inputs(plan.cell)), undecided


def _verdict(
    planned: _PlannedSample, responses: Sequence[CachedResponse], judge: JudgeRequests, judging: Judging | None
) -> Verdict | None:
    """The verdict from the judge's responses; None where the scoring stopped before there was one."""
    if judging is not None and responses and (grade := judging.read(responses[-1].text)) is not None:
        return grade
    correct = parse_verdict(responses[-1].text) if responses and judging is None else None
    if correct is not None:
        word = "CORRECT" if correct else "INCORRECT"
        return Verdict(float(correct), word, f"the judge says {word}")
    if planned.judge_input is not None and (reason := judge.failure(planned.judge_input)):
        return Verdict(0.0, None, f"undecided: the request to the judge failed ({reason})", outcome="undecided")
    if len(responses) == 2:
        last = one_line(responses[-1].text, 80)
        return Verdict(0.0, None, f"undecided: two responses without a verdict, the last {last!r}", outcome="undecided")
    return None


def _detail(
    planned: _PlannedSample, verdict: Verdict, responses: Sequence[CachedResponse], price: Price | None
) -> dict[str, Any]:
    """The line of one sample in `judge/<benchmark>.<condition>.jsonl`."""
    prompt, new = sum(r.prompt_tokens for r in responses), sum(r.new_tokens for r in responses)
    asked = planned.judge_input is not None
    return {
        "id": planned.sample.id,
        **({"repeat": planned.record.repeat} if planned.record.repeat else {}),
        "asked": asked,
        "value": verdict.value,
        "undecided": verdict.outcome == "undecided",
        "rule": verdict.rule,
        "replies": [printable(r.text) for r in responses],
        "prompt_tokens": prompt,
        "new_tokens": new,
        "cost": price.cost(prompt, new) if price is not None and asked else None,
    }


def _about(endpoint: Endpoint, price: Price | None, cost_log: CostLog) -> str:
    """judge/about.json: what is needed to repeat the scoring, and what it has cost."""
    facts = {
        "judge": endpoint.model,
        "place": endpoint.place,
        "prompt": prompt_facts(),
        "temperature": 0,
        "price_per_million_tokens": None if price is None else [price.input, price.output],
        "spent": {
            "requests": cost_log.requests,
            "prompt_tokens": cost_log.prompt_tokens,
            "new_tokens": cost_log.new_tokens,
            "cost": None if price is None else cost_log.spent,
        },
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
