"""Takes the pictures of terminal, report, review page and notebook for docs/images/.

Run it again where one of them looks different: `.venv/bin/python tools/screen_pictures.py [NAME ...]`. It needs tmux
and Chromium, and takes minutes: it runs the demo in a terminal, makes its report, and builds CV-Bench from drawn
sources.
"""

from __future__ import annotations

import html
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "images"
COMMAND = Path(sys.executable).with_name("cambrian-eval")
RUN = "cambrian-eval run --model demo --benchmark all --data mini:24 --vision on,off --out runs/demo"
COLORS = 256
"""Colors of a picture: enough for a page, and less than half the size."""
TERMINAL = (
    "<style>body{margin:0;background:#1e1e2e}pre{margin:0;padding:24px 28px;font:19px/25px DejaVu Sans Mono}</style>"
)
NOTEBOOK = """<style>
body{font:14px/1.15 Arial,Helvetica,sans-serif;margin:14px 30px;width:900px}
pre,code{font:14px/1.15 DejaVu Sans Mono,monospace}
.code{background:#f4f4f4;border:1px solid #ddd;padding:8px}
.out{margin-left:14px}
h1{font-size:21px}
h1,h2,p,pre{margin:9px 0}
table{border-collapse:collapse;font-size:12px}
.out th,.out td{padding:4px 8px}
</style>"""


class Pictures:
    """What the pictures are taken of, made when first needed in a folder that is deleted afterwards."""

    def __init__(self, work: Path, browser: Any) -> None:
        self.work, self.browser = work, browser
        self.screens: dict[str, str] = {}

    def terminal_progress(self) -> None:
        """A run of the demo in the middle of a benchmark, in a terminal of 80x18."""
        self._terminal()
        self._page(self._shown("progress"), "terminal-progress", "pre")

    def terminal_end(self) -> None:
        """The end of the same run at 80 columns."""
        self._terminal()
        self._page(self._shown("end"), "terminal-end", "pre")

    def report(self) -> None:
        """The top of its report, at 1440 pixels."""
        self._page(self._report(), "report", size=(1440, 1190))

    def report_samples(self) -> None:
        """Samples of MMVP in the report."""
        link = self._report().as_uri() + "#?benchmark=mmvp"
        self._page(link, "report-samples", size=(1160, 860), at="#filters")

    def review_page(self) -> None:
        """The review page of a CV-Bench from drawn sources."""
        sources, built = self.work / "sources", self.work / "cvb"
        subprocess.run([sys.executable, "-m", "cambrian_eval.demo.sources", sources], check=True, capture_output=True)
        words = ["cvbench", "build", "--no-cache", "--out", built]
        words += ["--coco", sources / "coco/instances_val2017.json", "--coco-images", sources / "coco/val2017"]
        words += ["--ade20k", sources / "ADE20K_2021_17_01"]
        words += ["--omni3d", *sorted((sources / "omni3d").glob("*_test.json"))]
        words += ["--omni3d-images", sources / "omni3d/datasets", "--pair-share", "0.12", "--class-share", "0.25"]
        for task in ("count", "relation", "depth", "distance"):
            words += [f"--{task}-rows", "72"]
        self._command(*words)
        self._page(built / "review.html", "review-page", size=(1200, 580))

    def notebook(self) -> None:
        """The first cells of docs/notebook.ipynb with their outputs."""
        import markdown
        import nbformat

        parts = []
        for cell in nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4).cells[:7]:
            if cell.cell_type == "markdown":
                parts.append(markdown.markdown(cell.source))
                continue
            parts.append(f'<pre class="code">{html.escape(cell.source)}</pre>')
            for output in cell.outputs:
                if output.output_type == "stream":
                    parts.append(f'<pre class="out">{html.escape(output.text)}</pre>')
                elif "text/html" in output.data:
                    parts.append(f'<div class="out">{output.data["text/html"]}</div>')
        page = self.work / "notebook.html"
        page.write_text(NOTEBOOK + "\n".join(parts), encoding="utf-8")
        self._page(page, "notebook", size=(960, 400), whole=True)

    def _terminal(self) -> None:
        """Runs the demo in a terminal of 80 columns, and keeps what it shows in the middle and at the end."""
        if self.screens:
            return
        tmux = ["tmux", "-L", f"pictures-{self.work.name}"]
        shell = f"PATH={COMMAND.parent}:$PATH PS1='$ ' bash --norc"
        size = ["-x", "80", "-y", "18"]
        subprocess.run([*tmux, "new-session", "-d", *size, "-c", self.work, shell], check=True)
        subprocess.run([*tmux, "send-keys", f"clear; {RUN}; touch ended", "Enter"], check=True)
        while not (self.work / "ended").exists():
            time.sleep(0.05)
            shown = self._captured(tmux)
            text = re.sub("\x1b\\[[0-9;]*m", "", shown)
            if re.search(r"all \(2\d of 32 done\)", text) and re.search(r" ([1-9]|1\d|2[0-3])/24 ", text):
                self.screens.setdefault("progress", shown)
        time.sleep(0.5)
        lines = self._captured(tmux, "-S", "-100").splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("benchmark "))
        last = next(i for i, line in enumerate(lines) if line.startswith("next: "))
        self.screens["end"] = "\n".join(lines[first : last + 1])
        subprocess.run([*tmux, "kill-server"], check=True)

    def _captured(self, tmux: list[str], *more: str) -> str:
        """The text of the terminal with its colors."""
        words = [*tmux, "capture-pane", "-p", "-e", *more]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip()

    def _shown(self, name: str) -> Path:
        """A page that looks like the terminal did."""
        from rich.console import Console
        from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme
        from rich.text import Text

        colors = [tuple(DIMMED_MONOKAI.ansi_colors[i]) for i in range(16)]
        theme = TerminalTheme((30, 30, 46), (220, 220, 228), colors[:8], colors[8:])  # type: ignore[arg-type]
        console = Console(record=True, width=80, file=open("/dev/null", "w"))  # noqa: SIM115
        console.print(Text.from_ansi(self.screens[name]))
        code = console.export_html(theme=theme, inline_styles=True, code_format="{code}")
        page = self.work / f"{name}.html"
        page.write_text(f'{TERMINAL}<pre style="color:#dcdce4">{code}</pre>', encoding="utf-8")
        return page

    def _report(self) -> Path:
        """The report of `make demo`."""
        out = self.work / "report"
        if not out.exists():
            words = shlex.split(RUN.replace("mini:24", "mini").replace("runs/demo", "runs/whole"))
            self._command(*words[1:])
            self._command("report", "runs/whole", "--out", out, "--format", "svg")
        return out / "report.html"

    def _command(self, *words: str | Path) -> None:
        """One command of cambrian-eval, quiet unless it fails."""
        done = subprocess.run([COMMAND, *words], cwd=self.work, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)

    def _page(
        self,
        page: Path | str,
        name: str,
        part: str | None = None,
        size: tuple[int, int] = (1440, 900),
        at: str = "",
        whole: bool = False,
    ) -> None:
        """A picture of a page or of one part of it, from its top or from the element `at`; on request to its end."""
        tab = self.browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="light")
        tab.goto(page if isinstance(page, str) else page.as_uri())
        tab.wait_for_load_state("networkidle")
        tab.evaluate("scrollTo(0, 0)")
        if at:
            tab.locator(at).evaluate("e => scrollTo(0, e.getBoundingClientRect().top + scrollY - 52)")
        tab.wait_for_timeout(1000)
        file = OUT / f"{name}.png"
        if part is None:
            tab.screenshot(path=file, full_page=whole)
        else:
            tab.locator(part).evaluate("e => e.style.display = 'inline-block'")
            tab.locator(part).screenshot(path=file)
        tab.close()
        Image.open(file).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
        print(file)


NAMES: dict[str, Callable[[Pictures], None]] = {
    "terminal-progress": Pictures.terminal_progress,
    "terminal-end": Pictures.terminal_end,
    "report": Pictures.report,
    "report-samples": Pictures.report_samples,
    "review-page": Pictures.review_page,
    "notebook": Pictures.notebook,
}


def main(names: list[str]) -> None:
    """Takes the named pictures, or all."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if wrong := [name for name in names if name not in NAMES]:
        raise SystemExit(f"no picture {', '.join(wrong)}; there are {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        made = Pictures(Path(work), browser)
        for name in names or NAMES:
            NAMES[name](made)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
