"""Figures of the card (examples of each task, answers, margins) and of the audit."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from cvbench_builder.files import IMAGE_FORMATS, inside
from cvbench_builder.stats import answer_text, margin

_INK, _BAR, _ACCENT, _FAINT = "#222222", "#4c72b0", "#c44e52", "#bbbbbb"
_EXAMPLES = 4


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "cvbench"}
    )
    return plt


def draw_all(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Every figure of the card, as PNG files in `figures/`."""
    plt = _pyplot()
    out = folder / "figures"
    out.mkdir(exist_ok=True)
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    for task in tasks:
        _examples(plt, folder, [r for r in rows if r["task"] == task], out / f"examples_{task.lower()}.png")
    _answers(plt, rows, tasks, out / "answers.png")
    _margins(plt, rows, tasks, out / "margins.png")


def _save(plt: Any, figure: Any, path: Path) -> None:
    # without date and version, the same rows give the same bytes
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _examples(plt: Any, folder: Path, rows: list[dict[str, Any]], path: Path) -> None:
    """Up to four rows; sources or components take turns."""
    from PIL import Image

    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["provenance"]["component"], []).append(row)
    chosen = [g[i] for i in range(_EXAMPLES) for g in groups.values() if i < len(g)][:_EXAMPLES]
    texts = [_example_text(row) for row in chosen]
    lines = max(len(text) for text in texts)
    # the words have a place of their own below the image, as wide as the column: a narrow image does not narrow them
    figure, axes = plt.subplots(
        2,
        len(chosen),
        figsize=(3.6 * len(chosen), 3.2 + 0.15 * lines),
        height_ratios=[3.0, 0.15 * lines],
        squeeze=False,
        layout="constrained",
    )
    for axis, below, row, text in zip(*axes, chosen, texts, strict=True):
        with Image.open(inside(folder, row["filename"]), formats=IMAGE_FORMATS) as image:
            small = image.convert("RGB")
            small.thumbnail((640, 640))
            axis.imshow(small)
        axis.set_title(f"{row['task']}, {row['provenance']['component']}", fontsize=9, color=_INK)
        axis.set_xticks([])
        axis.set_yticks([])
        below.text(0, 1, "\n".join(text), fontsize=8, va="top", transform=below.transAxes)
        below.set_axis_off()
    _save(plt, figure, path)


def _example_text(row: dict[str, Any]) -> list[str]:
    """Question, options and answer as lines that fit below an image."""
    options = "   ".join(f"({chr(65 + i)}) {c}" for i, c in enumerate(row["choices"]))
    answer = f"Answer: {row['answer']} {answer_text(row)}"
    return [line for text in (row["question"], options, answer) for line in textwrap.wrap(text, 46)]


def _answers(plt: Any, rows: list[dict[str, Any]], tasks: list[str], path: Path) -> None:
    figure, axes = plt.subplots(len(tasks), 2, figsize=(9, 2.3 * len(tasks)), squeeze=False, layout="constrained")
    for (words, letters), task in zip(axes, tasks, strict=True):
        own = [r for r in rows if r["task"] == task]
        counts = Counter(answer_text(r) for r in own)
        numeric = all(k.isdigit() for k in counts)
        order = sorted(counts, key=int) if numeric else [k for k, _ in counts.most_common(12)]
        words.bar(range(len(order)), [counts[k] for k in order], color=_BAR)
        turn = {"rotation": 0} if numeric or len(order) <= 4 else {"rotation": 40, "ha": "right"}
        words.set_xticks(range(len(order)), [textwrap.fill(k, 18) for k in order], **turn)
        words.set_title(
            f"{task}: answers" + ("" if len(counts) <= len(order) else f" (12 of {len(counts)})"), loc="left"
        )
        by_letter = Counter(r["answer"][1] for r in own if r["choices"])
        names = sorted(by_letter)
        letters.bar(names, [by_letter[n] for n in names], color=_BAR, width=0.5)
        letters.set_title(f"{task}: letters", loc="left")
        for axis in (words, letters):
            axis.set_ylabel("rows")
            axis.yaxis.get_major_locator().set_params(integer=True)
    _save(plt, figure, path)


def _margins(plt: Any, rows: list[dict[str, Any]], tasks: list[str], path: Path) -> None:
    import numpy as np

    figure, axes = plt.subplots(1, len(tasks), figsize=(3.2 * len(tasks), 2.8), squeeze=False, layout="constrained")
    for axis, task in zip(axes[0], tasks, strict=True):
        values = [v for r in rows if r["task"] == task and (v := margin(r, "tightness")) is not None]
        axis.set_title(task, loc="left")
        axis.set_xlabel("margin / threshold")
        axis.set_ylabel("rows")
        axis.yaxis.get_major_locator().set_params(integer=True)
        if values:
            high = max(2.0, float(np.quantile(values, 0.99)))
            axis.hist(np.clip(values, 0, high), bins=30, range=(0, high), color=_BAR)
            axis.axvline(1.0, color=_ACCENT, linewidth=1)
    _save(plt, figure, path)


def draw_audit(result: dict[str, Any], path: Path) -> None:
    """The margin of each guesser over chance, with its interval."""
    plt = _pyplot()
    lines = result["guessers"]
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.27 * len(lines)), layout="constrained")
    for y, line in enumerate(reversed(lines)):
        color = _FAINT if line["boxes"] else _BAR
        axis.plot([line["low"], line["high"]], [y, y], color=color, linewidth=2, solid_capstyle="butt")
        axis.plot(line["margin"], y, "o", color=color, markersize=5)
    axis.set_yticks(
        range(len(lines)), [f"{line['guesser']}, {line['task']} ({line['rows']})" for line in reversed(lines)]
    )
    axis.axvline(0, color=_INK, linewidth=0.8)
    axis.axvline(5, color=_ACCENT, linewidth=0.8, linestyle="--")
    axis.set_xlabel("points above chance, 95 % interval by image; dashed: 5 points; gray: uses the boxes")
    axis.margins(y=0.03)
    _save(plt, figure, path)
