"""Trains the demo checkpoint from random weights on the miniature suite's train split, and measures it.

    python tools/train_demo.py OUT

draws the images (OUT/corpus), trains in two stages (OUT/seeing, OUT/speaking), writes the final checkpoint in
the official layout (OUT/cambrian-demo) and its scores on the evaluation split (OUT/table.md). The budget is a number
of updates: after an interruption the same command resumes, and with one worker the result is reproducible.
`--sweep` trains several variants instead, each in its own folder under OUT/sweep, with fewer updates and without
option letters, and writes their scores for `cambrian-eval analyze` (OUT/sweep/scores.csv).
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from demo_training import corpus, loop, network, packing, seeing, trial, vocabulary, weights
from transformers import AutoTokenizer

from cambrian_eval.demo import miniature

PARTS = ((1, 2500), (2, 7500))
"""Seeds of the train split and the rows drawn with each, for every benchmark."""
MIXTURE = dict.fromkeys(trial.VISION_CENTRIC, 2.5) | {"mme": 2.0, "ocrbench": 0.7, "docvqa": 0.7, "textvqa": 0.8}
"""How often a benchmark is sampled, relative to 1 for the others."""
VOCABULARY = 1000
CHECKPOINT = "cambrian-demo"
STEPS, SWEEP_STEPS = 14_000, 2_400


@dataclass(frozen=True)
class Task:
    """One training run: its folders, its two stages, and what differs in its network."""

    corpus: Path
    parts: tuple[tuple[int, int], ...]
    folder: Path
    seeing: loop.Plan
    speaking: loop.Plan
    variant: network.Variant


def draw(folder: Path, parts: tuple[tuple[int, int], ...], workers: int) -> None:
    """Writes the exercises of every benchmark that do not exist yet."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        wanted = [(name, count, seed) for seed, count in parts for name in miniature.NAMES]
        for done in [pool.submit(corpus.write_part, folder, *part) for part in wanted]:
            done.result()


def begin(task: Task) -> Path:
    """Writes a checkpoint with random weights and a trained tokenizer, unless it exists."""
    start = task.folder / "start"
    if not (start / "model.safetensors").exists():
        start.mkdir(parents=True, exist_ok=True)
        texts: list[str] = []
        for name in miniature.NAMES:
            for exercise in corpus.read_part(task.corpus, name, task.parts[0][0])[0]:
                texts += [exercise.prompt, f" {exercise.reply}", f" {exercise.answer}"]
        size = vocabulary.write_tokenizer(start, texts, VOCABULARY)
        network.write_start(start, size, task.seeing.seed, task.variant)
    return start


def work(worker: int, task: Task, stage: str) -> None:
    """One process of one stage."""
    torch.set_num_threads(1)
    start = task.folder / "start"
    tokenizer = AutoTokenizer.from_pretrained(str(start))
    parts = [(name, seed) for seed, _ in task.parts for name in miniature.NAMES]
    units, arrays = packing.read_units(task.corpus, parts, tokenizer)
    model = network.load(start)
    if stage == "seeing":
        seeing.train_seeing(model, units, arrays, task.seeing, MIXTURE, task.folder / stage, worker)
        return
    weights.copy_into(model, task.folder / "seeing")
    frame = packing.frame_ids(tokenizer)
    loop.train(model, units, arrays, frame, task.speaking, MIXTURE, task.folder / stage, worker)


def export(task: Task, out: Path) -> Path:
    """The final checkpoint in bfloat16, with tokenizer and towers."""
    start = task.folder / "start"
    model = network.load(start)
    weights.copy_into(model, task.folder / "speaking")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(start, out)
    network.write_checkpoint(out, model, torch.bfloat16)
    config: dict[str, Any] = json.loads((out / "config.json").read_text(encoding="utf-8"))
    network.write_json(out / "config.json", config | {"torch_dtype": "bfloat16"})
    return out


def run(task: Task, workers: int) -> Path:
    """Runs both stages to the end of their plans, then exports."""
    begin(task)
    for stage in ("seeing", "speaking"):
        begun = task.folder / f"{stage}.begun"
        if not begun.exists():
            begun.write_text(str(time.time()), encoding="utf-8")
        plan = replace(getattr(task, stage), start=float(begun.read_text(encoding="utf-8")))
        timed = replace(task, seeing=plan) if stage == "seeing" else replace(task, speaking=plan)
        if workers == 1:
            work(0, timed, stage)
            continue
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for done in [pool.submit(work, number, timed, stage) for number in range(workers)]:
                done.result()
    return export(task, task.folder / CHECKPOINT)


def variants(towers: tuple[str, ...]) -> dict[str, tuple[network.Variant, int]]:
    """The sweep: without each tower in turn, the connector without samplers, other seeds."""
    found: dict[str, tuple[network.Variant, int]]
    found = {f"no-{name}": (network.Variant(towers=tuple(t for t in towers if t != name)), 0) for name in towers}
    found["connector-only"] = (network.Variant(samplers=0), 0)
    return found | {f"seed-{seed}": (network.Variant(), seed) for seed in (0, 1, 2)}


def arguments() -> argparse.Namespace:
    """The options of one training, or of the sweep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="training processes, one core each [2]")
    parser.add_argument("--minutes", type=float, default=1e9, help="time limit; a third of it for stage one")
    parser.add_argument("--steps", type=int, help="updates, a quarter of them in stage one [14000; 2400 with --sweep]")
    parser.add_argument(
        "--exercises", type=int, help="rows to draw for each benchmark [10000, from two seeds; 2500 with --sweep]"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=200, help="rows per benchmark in the final table [200]")
    parser.add_argument("--sweep", action="store_true", help="train the variants instead, one after the other")
    return parser.parse_args()


def main() -> None:
    """Draws rows, trains and measures, one variant after the other."""
    options = arguments()
    out: Path = options.out
    parts = PARTS[:1] if options.sweep else PARTS
    if options.exercises is not None:
        parts = ((PARTS[0][0], options.exercises),)
    draw(out / "corpus", parts, options.workers)
    minutes, steps = options.minutes, options.steps or (SWEEP_STEPS if options.sweep else STEPS)
    first = loop.Plan(minutes / 3, steps // 4, batch=24, rate=1e-3, warmup=100)
    second = loop.Plan(minutes * 2 / 3, steps - steps // 4)
    if options.sweep:
        # The letters of options are learned late; with so few updates the image matters more.
        second = replace(second, spelt_until=math.inf)
    runs = variants(tuple(network.TOWERS)) if options.sweep else {"": (network.Variant(), options.seed)}
    measured: dict[str, list[trial.Line]] = {}
    for name, (variant, seed) in runs.items():
        folder = out / "sweep" / name if name else out
        task = Task(out / "corpus", parts, folder, replace(first, seed=seed), replace(second, seed=seed), variant)
        checkpoint = run(task, options.workers)
        if options.sweep:
            measured[name] = trial.measure(checkpoint, options.rows, folder / "run", ["on"])
            (out / "sweep" / "scores.csv").write_text(trial.scores(measured), encoding="utf-8")
            continue
        found = trial.table(trial.measure(checkpoint, options.rows, folder / "run"))
        (folder / "table.md").write_text(found + "\n", encoding="utf-8")
        print(found)


if __name__ == "__main__":
    main()
