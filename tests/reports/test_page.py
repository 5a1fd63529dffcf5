"""The samples of report.html in a real browser: filters, search, links, keys, pairs, comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.reports.runs import open_runs
from cambrian_eval.running.records import Cell
from tests.reports.conftest import BENCHMARKS, ROWS
from tests.reports.opened import Opened, opened

pytestmark = pytest.mark.slow


def outcomes(run: Path, benchmark: str, condition: str) -> list[float]:
    cell = Cell(benchmark, condition)
    return [v.value for v in open_runs([run])[0].run.verdicts(cell, "fuzzy").values()]


def test_filters_count_what_the_verdicts_say(at: Opened, runs: tuple[Path, Path]) -> None:
    assert at.count() == ROWS * len(BENCHMARKS)
    at.choose("benchmark", "ai2d")
    assert at.count() == ROWS
    for model, run in zip(("good (synthetic data)", "poor (synthetic data)"), runs, strict=True):
        at.choose("model", model)
        for condition in ("on", "off"):
            at.choose("condition", condition)
            values = outcomes(run, "ai2d", condition)
            at.choose("outcome", "right")
            assert at.count() == sum(v == 1 for v in values)
            at.choose("outcome", "wrong")
            assert at.count() == sum(v < 1 for v in values)
            at.choose("outcome", "")
    at.page.click("#reset")
    at.choose("category", "OCR & Chart")
    assert at.count() == 2 * ROWS
    listed = at.page.eval_on_selector_all("#benchmark option", "all => all.map(o => o.value)")
    assert listed == ["", "textvqa", "docvqa"]


def test_two_views_side_by_side(at: Opened, runs: tuple[Path, Path]) -> None:
    at.choose("benchmark", "mmvp")
    options = at.page.eval_on_selector_all("#compare option", "all => all.map(o => [o.value, o.textContent])")
    off = next(value for value, text in options if text == "good (synthetic data), Vision off")
    at.choose("compare", off)
    at.choose("outcome", "only-a")
    run = open_runs([runs[0]])[0].run
    on, blind = (run.verdicts(Cell("mmvp", c), "fuzzy") for c in ("on", "off"))
    assert at.count() == sum(on[i].value == 1 and blind[i].value < 1 for i in on) > 0
    at.page.click("#list a >> nth=0")
    at.page.wait_for_timeout(100)
    titles = at.page.eval_on_selector_all("#sample .side", "all => all.map(s => s.getAttribute('aria-label'))")
    assert titles == [
        f"{name} (synthetic data), Vision {c}" for name, c in (("good", "on"), ("good", "off"), ("poor", "on"))
    ]
    assert at.page.locator("#sample .left img").count() == 1
    assert "No image was shown" in at.page.inner_text("#sample .side >> nth=1")
    assert "response changed" in at.page.inner_text("#sample .side >> nth=1")
    assert at.page.evaluate("document.querySelector('#sample img').naturalWidth") > 0


def test_search_finds_text_of_questions_and_responses(at: Opened, runs: tuple[Path, Path]) -> None:
    opened_runs = [named.run for named in open_runs(runs)]
    sample = opened_runs[0].samples("docvqa")[3]
    words = sample.answers[0].upper()
    expected = set()
    for run in opened_runs:  # every stored text of a sample, as the page says
        for cell in run.cells():
            verdicts = [run.verdicts(cell, scorer) for scorer in run.scorers(cell)]
            for s, (identity, r) in zip(run.samples(cell.benchmark), run.responses(cell).items(), strict=True):
                read = [v[identity].extracted or "" for v in verdicts]
                texts = [f"{cell.benchmark}/{s.id}", s.question, *s.answers, *s.choices, r.prompt, r.text, *read]
                if any(words.lower() in text.lower() for text in texts):
                    expected.add((cell.benchmark, s.id))
    at.page.fill("#search", words)
    at.until(f"document.querySelector('#count').innerText.startsWith('{len(expected)} of')")
    assert 0 < len(expected) < ROWS * len(BENCHMARKS)
    at.page.fill("#search", "no such words anywhere")
    at.until("document.querySelector('#count').innerText.includes('no sample matches')")
    assert at.count() == 0


def test_a_deep_link_opens_its_sample_with_prompt_gold_and_rule(
    browser: Any, written: Path, runs: tuple[Path, Path]
) -> None:
    run = open_runs([runs[1]])[0].run
    sample = run.samples("ai2d")[5]
    cell = Cell("ai2d", "off")
    address = f"#?model=poor%20(synthetic%20data)&condition=off&sample=ai2d%2F{sample.id}"
    found = opened(browser, written, address)
    text = found.page.inner_text("#sample")
    assert run.responses(cell)[sample.id].prompt.split("\n")[0] in text
    verdict = run.verdicts(cell, "fuzzy")[sample.id]
    assert verdict.rule in text and sample.answers[0] in text and "poor (synthetic data), Vision off" in text
    assert found.page.evaluate("document.activeElement.id") == "sample"
    found.page.click("#sample button")
    found.page.wait_for_timeout(100)
    assert found.page.is_hidden("#sample")
    found.page.go_back()
    found.page.wait_for_timeout(100)
    assert found.page.is_visible("#sample") and found.console == []
    found.page.goto(written.as_uri() + "#?sample=ai2d%2Fnobody")
    found.page.wait_for_timeout(100)
    assert "no sample ai2d/nobody" in found.page.inner_text("#count")


def test_keys_walk_search_compare_and_close(at: Opened) -> None:
    press = at.page.keyboard.press
    label = "document.querySelector('#sample').getAttribute('aria-label')"
    press("j")
    at.until("!document.querySelector('#sample').hidden")
    first = at.page.get_attribute("#sample", "aria-label")
    press("j")
    at.until(f"{label} !== {first!r}")
    press("k")
    at.until(f"{label} === {first!r}")
    press("c")
    at.until("document.querySelectorAll('#sample .side').length === 3")
    assert at.page.get_attribute("#sample", "aria-label") == first
    press("/")
    at.until("document.activeElement.id === 'search'")
    press("Escape")
    press("Escape")
    at.until("document.querySelector('#sample').hidden")
    at.until("document.activeElement.closest('#list') !== null")
    press("n")
    at.until("document.querySelector('#page').innerText.startsWith('page 2')")
    press("?")
    at.until("!document.querySelector('#keys-help').hidden")


def test_a_pair_is_shown_together_with_how_many_are_right(at: Opened, runs: tuple[Path, Path]) -> None:
    at.choose("benchmark", "mmvp")
    run = open_runs([runs[0]])[0].run
    verdicts = run.verdicts(Cell("mmvp", "on"), "fuzzy")
    pairs: dict[str | None, list[str]] = {}
    for sample in run.samples("mmvp"):
        pairs.setdefault(sample.group, []).append(sample.id)
    expected = [f"Pair: {sum(verdicts[i].value == 1 for i in ids)} of 2 right" for ids in pairs.values()]
    assert at.page.eval_on_selector_all("#list .group > p", "all => all.map(p => p.textContent)") == expected
    at.choose("outcome", "wrong")
    wrong = sum(v.value < 1 for v in verdicts.values())
    assert at.count() == wrong < at.page.locator("#list .card").count()  # the other of a pair stays beside it
    assert at.page.locator("#list .card.other").count() == at.page.locator("#list .card").count() - wrong
    at.choose("groups", "apart")
    assert at.count() == at.page.locator("#list .card").count() == wrong
    at.page.click("#list a >> nth=0")
    at.until("!document.querySelector('#sample').hidden")
    assert at.page.locator("#sample .members a").count() == 2


def test_reading_rules_are_counted_and_filter(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    counts: dict[str, int] = {}
    for benchmark in BENCHMARKS:
        for verdict in run.verdicts(Cell(benchmark, "on"), "fuzzy").values():
            counts[verdict.rule] = counts.get(verdict.rule, 0) + 1
    offered = at.page.eval_on_selector_all("#rule option", "all => all.map(o => [o.textContent, o.value])")
    assert {text for text, _ in offered} == {"all", *(f"{rule} ({n})" for rule, n in counts.items())}
    rule, n = max(counts.items(), key=lambda entry: entry[1])
    at.choose("rule", next(value for text, value in offered if text == f"{rule} ({n})"))
    assert at.count() == n


def test_two_scorers_are_compared_over_the_same_responses(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    at.choose("compare", "s1")
    at.choose("outcome", "changed")
    expected = 0
    for benchmark in BENCHMARKS:
        one, two = (run.verdicts(Cell(benchmark, "on"), s) for s in ("fuzzy", "official"))
        expected += sum((one[i].value == 1) != (two[i].value == 1) for i in one)
    assert at.count() == expected


def test_the_grid_shows_thumbnail_gold_response_and_verdict(at: Opened, runs: tuple[Path, Path]) -> None:
    run = open_runs([runs[0]])[0].run
    at.choose("benchmark", "docvqa")
    sample = run.samples("docvqa")[0]
    at.page.wait_for_timeout(200)
    first = at.page.locator("#list .card >> nth=0")
    at.until("document.querySelector('#list .card img').naturalWidth > 0")
    text = first.inner_text()
    assert sample.answers[0] in text and run.responses(Cell("docvqa", "on"))[sample.id].text in text
    verdict = run.verdicts(Cell("docvqa", "on"), "fuzzy")[sample.id]
    assert {1.0: "right", 0.0: "wrong"}.get(verdict.value, "partly right") in text
