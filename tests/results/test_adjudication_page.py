"""The page for marking disagreements, in a real browser: marks by mouse and key, reload, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import Verdict
from cambrian_eval.results.adjudication import error_rates, page, read_marks
from cambrian_eval.results.agreement import Confusion, Disagreement, ScorerAgreement
from cambrian_eval.results.rows import Rows


def found() -> ScorerAgreement:
    """Four disagreements, one of them one with characters that could break the page."""
    right, wrong = Verdict(1.0, "x", "a rule"), Verdict(0.0, None, "another <rule>", outcome="unparsed")
    texts = ["plain", "<b>bold</b> </script>", "quotes \" and '", "日本\u2028"]
    differing = tuple(
        Disagreement("docvqa", "on", f'{i}"<', "why?", {"A": "<i>"}, ("A",), "prompt", text, right, wrong)
        for i, text in enumerate(texts)
    )
    confusion = Confusion(10, 4, 0, 6)
    return ScorerAgreement(
        *("docvqa", "on", 20, 70.0, 50.0, -20.0, (-30.0, -10.0), confusion, None, 0, 0, differing, None, 1.0),
        rows=Rows(synthetic=False, subset=None),
    )


@pytest.mark.slow
def test_marks_by_hand_and_by_key_are_kept_and_exported(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page([found()], "fuzzy", "judge", "run", "m", marking=True), "utf-8")
    context = browser.new_context(accept_downloads=True)
    shown = context.new_page()
    errors: list[str] = []
    requested: list[str] = []
    shown.on("pageerror", lambda e: errors.append(str(e)))
    shown.on("console", lambda m: errors.append(m.text))
    shown.on("request", lambda r: requested.append(r.url))
    shown.goto(file.as_uri())
    assert shown.inner_text("#count") == "0 of 4 marked"
    shown.keyboard.press("1")
    shown.keyboard.press("2")
    shown.locator("article").nth(2).get_by_label("unclear").check()
    assert shown.inner_text("#count") == "3 of 4 marked"
    shown.reload()
    assert shown.inner_text("#count") == "3 of 4 marked", "marks survive a reload"
    assert shown.locator("article").nth(1).get_by_label("judge is right").is_checked()
    with shown.expect_download() as download:
        shown.click("#export")
    download.value.save_as(tmp_path / "marks.json")
    marks = read_marks(tmp_path / "marks.json", "fuzzy", "judge")
    assert marks == {'docvqa.on/0"<': "a", 'docvqa.on/1"<': "b", 'docvqa.on/2"<': "unclear"}
    total = error_rates([found()], marks)[-1]
    assert (total.a_wrong.k, total.b_wrong.k, total.unclear, total.marked) == (1, 1, 1, 3)
    assert not errors and requested == [file.as_uri()] * 2, "only the page itself is loaded"
