"""A report page that is open in a browser, for the tests of the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Opened:
    """A page with what it complained about and what it asked the network for."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    folder: Path = Path()

    def count(self) -> int:
        return int(self.page.inner_text("#count").split()[0])

    def choose(self, select: str, value: str) -> None:
        """Chooses in a menu, and waits until the list is drawn."""
        self.page.evaluate("delete document.documentElement.dataset.ready")
        self.page.select_option(f"#{select}", value)
        self.until("document.documentElement.dataset.ready === 'true'")

    def until(self, condition: str) -> None:
        """Waits in Python: the page's policy allows no evaluation of text, which `wait_for_function` needs."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(30)


def opened(browser: Any, path: Path, address: str = "", **context: Any) -> Opened:
    """The page in a window of its own, with its samples drawn."""
    page = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **context}).new_page()
    found = Opened(page, folder=path.parent)
    page.on("console", lambda m: found.console.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda e: found.console.append(f"error: {e}"))
    page.on("request", lambda r: found.requests.append(r.url))
    page.goto(path.as_uri() + address)
    page.wait_for_selector("html[data-ready=true]", state="attached")
    return found
