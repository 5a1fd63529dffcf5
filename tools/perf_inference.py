"""Measures the speed of Cambrian inference, compared with the same network run one question at a time.

    python tools/perf_inference.py                      # this machine: a GPU if there is one, else a mid-size model
    python tools/perf_inference.py --size 8b --dtype bfloat16 --json perf.json
    python tools/perf_inference.py --naive --workloads a
    make gpu-check                                      # workloads (a) and (b) and the ids, in at most eight minutes

Random weights, made on the device. Both sides answer the same questions in one run, and their ids are compared. Needs
only torch, transformers, numpy and Pillow. Every time has its lower bound beside it: the operations (counted by
PyTorch on one question) at the measured rate of a matrix product, plus the weights that the decode passes read at the
measured rate of a copy.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perf_models import SIZES, build, prompt_of

from cambrian_eval.models.cambrian import CambrianProcessor
from cambrian_eval.models.cambrian.fast import Driver, Generated, ImageSource, Question
from cambrian_eval.models.cambrian.fast.alone import ask_alone

QUESTIONS, IMAGES = 62_000, 40_000
"""Approximate totals of all sixteen benchmarks."""


@dataclass(frozen=True)
class Workload:
    """Questions for each image (none: text only), and new tokens for each answer."""

    title: str
    per_image: int
    new_tokens: int
    words: int
    images: int
    naive: int
    """How many of the questions the baseline answers; its time per question varies little."""


WORKLOADS = {
    "a": Workload("one question an image, lettered answer", 1, 2, 40, 24, 4),
    "b": Workload("32 questions an image, one word", 32, 3, 20, 2, 6),
    "c": Workload("two questions an image, one word", 2, 3, 20, 12, 4),
    "d": Workload("one question an image, 128-token answers", 1, 128, 20, 8, 2),
    "e": Workload("text only, lettered answer", 0, 2, 40, 64, 8),
}


USUAL = ((640, 480), (640, 427), (500, 375), (480, 640), (640, 480), (1024, 768), (512, 512), (640, 360))
ODD = ((1200, 150), (150, 1200), (37, 53), (333, 1000), (24, 24))


def images(count: int, seed: int, sizes: Sequence[tuple[int, int]] = USUAL) -> list[bytes]:
    """JPEG files of these sizes in turn, starting with the `seed`th size."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize(sizes[(number + seed) % len(sizes)], Image.Resampling.BICUBIC).save(buffer, "JPEG")
        made.append(buffer.getvalue())
    return made


def questions(
    work: Workload,
    processor: CambrianProcessor,
    seed: int,
    scale: int,
    sizes: Sequence[tuple[int, int]] = USUAL,
) -> list[Question]:
    """A workload's questions, those of one image next to each other."""
    random = np.random.default_rng(seed)
    made: list[Question] = []
    shown: list[ImageSource | None] = [None] * (work.images * scale)
    if work.per_image:
        files = images(work.images * scale, seed, sizes)
        shown = [_shown(f"{seed}-{number}", data) for number, data in enumerate(files)]
    for image in shown:
        for _ in range(max(1, work.per_image)):
            words = random.integers(0, 4900, int(work.words * random.uniform(0.6, 1.4)))
            text = " ".join(f"w{word}" for word in words)
            ids = processor.token_ids(prompt_of(processor, text, image is not None))
            made.append(Question(len(made), tuple(ids), work.new_tokens, image))
    return made


def _shown(key: str, data: bytes) -> ImageSource:
    with Image.open(io.BytesIO(data)) as image:
        return ImageSource(key, image.size, lambda: Image.open(io.BytesIO(data)).convert("RGB"))


class Naive:
    """The network one question at a time, as in the authors' scripts: decode, resize, encode, generate."""

    def __init__(self, model: Any, processor: CambrianProcessor) -> None:
        self.model, self.processor = model, processor

    def __call__(self, question: Question) -> tuple[int, ...]:
        """The answer's ids."""
        return ask_alone(self.model, self.processor, question)

    @torch.inference_mode()
    def logits(self, question: Question) -> torch.Tensor:
        """Logits of the first new token."""
        device = self.model.device
        shown = []
        if question.image is not None:
            image = question.image.load()
            pixels = [view.to(device) for view in self.processor.pixels([image])]
            shown = self.model.encode_images(pixels, [image.size])
        batch = self.model.prepare(torch.tensor([question.ids], device=device), None, shown)
        logits: torch.Tensor = self.model.prefill(batch).logits[0, -1].float()
        return logits


@dataclass(frozen=True)
class Machine:
    """Measured peak rates of the hardware: operations and bytes per second."""

    flops: float
    bandwidth: float


def measure_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """The best of several runs of one large matrix product and of one large copy."""
    side = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = best_of(lambda: left @ right, device, 20 if device.type == "cuda" else 6)
    source = torch.empty(1 << (30 if device.type == "cuda" else 27), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = best_of(lambda: target.copy_(source), device, 5)
    return Machine(2 * side**3 / seconds, 2 * source.numel() / copy)


def best_of(work: Callable[[], Any], device: torch.device, times: int) -> float:
    """The shortest of several times; disturbances can only add to it."""
    found = []
    for _ in range(times):
        start = now(device)
        work()
        found.append(now(device) - start)
    return min(found)


def now(device: torch.device) -> float:
    """The time, after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Arithmetic:
    """Operations of one question: encoding its image, its prompt, one new token, and the head's part of that token."""

    vision: float
    prompt: float
    per_token: float
    head: float


@torch.inference_mode()
def count_operations(naive: Naive, question: Question) -> Arithmetic:
    """Counted by PyTorch while one question runs."""
    model, device = naive.model, naive.model.device
    shown, vision = [], 0.0
    if question.image is not None:
        image = question.image.load()
        pixels = [view.to(device) for view in naive.processor.pixels([image])]
        with FlopCounterMode(display=False) as counter:
            shown = model.encode_images(pixels, [image.size])
        vision = float(counter.get_total_flops())
    batch = model.prepare(torch.tensor([question.ids], device=device), None, shown)
    with FlopCounterMode(display=False) as counter:
        output = model.prefill(batch)
    prompt = float(counter.get_total_flops())
    mask = torch.nn.functional.pad(batch.attention_mask, (0, 1), value=1)
    with FlopCounterMode(display=False) as counter:
        model.decode(torch.zeros(1, 1, dtype=torch.long, device=device), mask, output.past_key_values)
    return Arithmetic(vision, prompt, float(counter.get_total_flops()), 2.0 * model.lm_head.weight.numel())


def floors(work: Workload, one: Arithmetic, machine: Machine, weights: float, wave: int) -> tuple[float, float, float]:
    """Lower bounds of seconds per question, naive and shared, and the operations per question when shared."""
    share = max(1, work.per_image)
    own = (work.words + 6) * (one.per_token - one.head) + one.head
    prefix = max(0.0, one.prompt - own)
    decoding = (work.new_tokens - 1) * one.per_token
    shared = (one.vision + (prefix if work.per_image else 0.0)) / share + own + decoding
    reads = (work.new_tokens - 1) * weights / machine.bandwidth
    naive = (one.vision + one.prompt) / machine.flops + max(reads, decoding / machine.flops)
    fast = (shared - decoding) / machine.flops + max(reads / wave, decoding / machine.flops)
    return naive, fast, shared


def run_workload(
    work: Workload, model: Any, processor: CambrianProcessor, machine: Machine, options: argparse.Namespace
) -> dict[str, Any]:
    """Both sides of one workload."""
    device, naive = model.device, Naive(model, processor)
    asked = questions(work, processor, seed=1, scale=options.scale)
    some = asked[:: max(1, len(asked) // (work.naive * options.scale))][: work.naive * options.scale]
    one = count_operations(naive, some[0])
    weights = float(sum(p.numel() * p.element_size() for p in model.model.layers.parameters()))
    naive_floor, fast_floor, operations = floors(work, one, machine, weights, min(len(asked), 16))
    result: dict[str, Any] = {"title": work.title, "questions": len(asked), "gflop_a_question": operations / 1e9}
    naive(some[0])
    before: dict[Any, tuple[int, ...]] = {}
    if options.naive:
        spent = ask_naively(naive, some, before)
        return result | {"naive_seconds": spent.wall / len(some), "naive_floor": naive_floor}
    make = _driver_maker(model, processor, options)
    collect(make(), questions(replace(work, images=1), processor, seed=2, scale=1))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    # Half of the baseline before and half after, so that load by other processes affects both sides.
    middle = (len(some) + 1) // 2
    spent = ask_naively(naive, some[:middle], before)
    driver = make()
    begin = Spent.since(device)
    after = collect(driver, asked)
    shared = begin.until(device)
    spent = spent + ask_naively(naive, some[middle:], before)
    naive_seconds, seconds = spent.wall / len(some), shared.wall
    phases = driver.clock.seconds
    differing = [tag for tag, ids in before.items() if after[tag] != ids]
    result |= {
        "naive_seconds": naive_seconds,
        "naive_floor": naive_floor,
        "naive_questions": len(some),
        "seconds": seconds / len(asked),
        "floor": fast_floor,
        "times": naive_seconds * len(asked) / seconds,
        "times_in_processor_time": spent.processor / len(some) * len(asked) / shared.processor,
        "bound": naive_floor / fast_floor,
        "share_of_matrix_rate": operations * len(asked) / seconds / machine.flops,
        "phases": {name: value / seconds for name, value in phases.items()},
        "differing": len(differing),
        "peak_gib": peak_memory(device) / 2**30,
    }
    return result


@dataclass(frozen=True)
class Spent:
    """Wall time and processor time in seconds."""

    wall: float
    processor: float

    @classmethod
    def since(cls, device: torch.device) -> Spent:
        """Readings of both clocks, for `until`."""
        return cls(now(device), time.process_time())

    def until(self, device: torch.device) -> Spent:
        """The time since these readings."""
        return Spent(now(device) - self.wall, time.process_time() - self.processor)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.processor + other.processor)


def ask_naively(naive: Naive, some: Sequence[Question], answers: dict[Any, tuple[int, ...]]) -> Spent:
    """Asks questions one at a time, collects the answers, and returns the time it took."""
    begin = Spent.since(naive.model.device)
    for question in some:
        answers[question.tag] = naive(question)
    return begin.until(naive.model.device)


def _driver_maker(model: Any, processor: CambrianProcessor, options: argparse.Namespace) -> Callable[[], Driver]:
    size = None if options.batch_size == "auto" else int(options.batch_size)
    return lambda: Driver(model, processor, batch_size=size, deterministic=options.deterministic)


def collect(driver: Driver, asked: Sequence[Question]) -> dict[Any, tuple[int, ...]]:
    """The ids of every question by its tag; the first failure ends the measurement."""
    found: dict[Any, tuple[int, ...]] = {}
    for wave in driver.batches(iter(asked)):
        for answer in wave:
            if not isinstance(answer, Generated):
                raise answer.error
            found[answer.tag] = answer.ids
    return found


def peak_memory(device: torch.device) -> int:
    """In bytes: of the device on a GPU, otherwise of the process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LIMITS = (1, 1, 2, 2, 3, 3, 8, 8, 8, 8, 32, 32, 32, 32, 64, 512)
"""Limits of the mixed questions, chosen with these frequencies."""


def mixed(processor: CambrianProcessor, count: int) -> list[Question]:
    """Questions of all workloads in turn, one to four an image, of every shape of image and all limits."""
    random, asked = np.random.default_rng(0), list[Question]()
    for seed in range(count):
        for name, work in WORKLOADS.items():
            few = replace(work, images=1, per_image=min(work.per_image, 4))
            made = questions(few, processor, 100 + seed, 1, USUAL + ODD)
            asked += [
                replace(
                    q,
                    tag=(seed, name, q.tag),
                    limit=int(random.choice(LIMITS)),
                    image=None if q.image is None else replace(q.image, key=f"{seed}-{name}"),
                )
                for q in made
            ]
        if len(asked) >= count:
            break
    return asked[:count]


def compare_ids(model: Any, processor: CambrianProcessor, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """How many ids differ between both sides over `count` mixed questions, and the largest gap of a logit.

    Random weights rarely produce a stop id; here one id in 9 ends an answer, so that answers have different
    lengths.
    """
    model.generation_config.eos_token_id = list(range(5, model.config.vocab_size, 9))
    naive, asked = Naive(model, processor), mixed(processor, count)
    driver = _driver_maker(model, processor, options)()
    first: dict[Any, torch.Tensor] = {}

    def note(pending: Any) -> None:
        logits = model.lm_head(pending.hidden).float()
        for row, slots in enumerate(pending.slots):
            for column, slot in enumerate(slots):
                if slot is not None:
                    first[slot.question.tag] = logits[row, column].cpu()

    driver.runner.decoder.on_prompts = note
    after = collect(driver, asked)
    ids = wrong = rows = 0
    gap = scale = 0.0
    lengths: Counter[int] = Counter()
    done = 0
    for question in asked:
        if time.perf_counter() > options.end:
            break
        done += 1
        expected = naive(question)
        ids, lengths[len(expected)] = ids + len(expected), lengths[len(expected)] + 1
        unequal = sum(a != b for a, b in zip_longest(expected, after[question.tag]))
        wrong, rows = wrong + unequal, rows + bool(unequal)
        logits = naive.logits(question).cpu()
        gap = max(gap, float((logits - first[question.tag]).abs().max()))
        scale = max(scale, float(logits.abs().max()))
    found: dict[str, Any] = {"questions": done, "ids": ids, "ids_differing": wrong, "questions_differing": rows}
    found["asked_alone"] = driver.clock.counts["alone"]
    found["lengths"] = dict(sorted(lengths.items()))
    return found | {"largest_logit_gap": gap, "largest_logit": scale}


def show(results: Mapping[str, dict[str, Any]], machine: Machine) -> Iterator[str]:
    """The table, as Markdown."""
    yield "| workload | naive s/question (floor) | shared s/question (floor) | times (bound) | of matrix rate |"
    yield "| --- | --- | --- | --- | --- |"
    for name, r in results.items():
        fast = f"{r['seconds']:.4g} ({r['floor']:.3g})" if "seconds" in r else "-"
        times = f"{r['times']:.2f} ({r['bound']:.2f})" if "times" in r else "-"
        share = f"{r['share_of_matrix_rate']:.0%}" if "times" in r else "-"
        slow = f"{r['naive_seconds']:.4g} ({r['naive_floor']:.3g})"
        yield f"| ({name}) {r['title']} | {slow} | {fast} | {times} | {share} |"
    yield ""
    for name, r in results.items():
        if "phases" in r:
            parts = ", ".join(f"{phase} {share:.0%}" for phase, share in sorted(r["phases"].items()))
            yield (
                f"({name}) {r['questions']} questions, {1 / r['seconds']:.2f} a second, "
                f"{r['gflop_a_question']:.1f} GFLOP each; {parts}; "
                f"{r['times_in_processor_time']:.2f} times in processor time; "
                f"peak {r['peak_gib']:.1f} GiB; {r['differing']} of {r['naive_questions']} answers differ"
            )
    if all("seconds" in results.get(name, {}) for name in "ab"):
        per_image, bundle = results["a"]["seconds"], 32 * results["b"]["seconds"]
        more = max(0.0, (bundle - per_image) / 31)
        hours = (IMAGES * per_image + (QUESTIONS - IMAGES) * more) / 3600
        yield f"projected: {QUESTIONS:,} questions over {IMAGES:,} images in {hours:.2f} hours on this machine"
    rates = f"{machine.flops / 1e9:,.0f} GFLOP/s in a matrix product, {machine.bandwidth / 1e9:,.0f} GB/s in a copy"
    yield f"measured: {rates}"


def main() -> None:
    """Measures the machine, then the requested workloads, and prints them with their lower bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    gpu = torch.cuda.is_available()
    parser.add_argument("--size", choices=sorted(SIZES), default="8b" if gpu else "mid")
    parser.add_argument("--device", default="cuda" if gpu else "cpu")
    parser.add_argument("--dtype", default="bfloat16" if gpu else "float32")
    parser.add_argument("--attention", default="sdpa", choices=("sdpa", "eager"))
    parser.add_argument("--workloads", default="a,b,c,d,e")
    parser.add_argument("--naive", action="store_true", help="only the baseline")
    parser.add_argument("--batch-size", default="auto")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--scale", type=int, default=8 if gpu else 1, help="multiply the number of questions")
    parser.add_argument("--compare", type=int, default=0, metavar="N", help="compare ids and logits over N questions")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="compare no more ids after this time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    options.end = start + 60 * options.minutes
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    warnings.filterwarnings("ignore", message="the image begins at position")
    machine = measure_machine(device, dtype)
    model, processor = build(options.size, dtype, device, options.attention)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}"
    count = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}; {count / 1e6:,.0f} M parameters "
        f"({sum(p.numel() for p in model.vision_towers.parameters()) / 1e6:,.0f} M in towers), {options.dtype}"
    )
    results = {}
    for key in filter(None, options.workloads.split(",")):
        results[key] = run_workload(WORKLOADS[key], model, processor, machine, options)
        print(f"  ({key}) done", file=sys.stderr)
    for line in show(results, machine):
        print(line)
    about = {"device": name, "size": options.size, "dtype": options.dtype, "parameters": count}
    about |= {"torch": torch.__version__, "transformers": transformers.__version__, "python": platform.python_version()}
    record: dict[str, Any] = {**about, "machine": asdict(machine), "workloads": results}
    if options.compare:
        record["compared"] = compare_ids(model, processor, options.compare, options)
        print(json.dumps(record["compared"]))
    record["total_seconds"] = time.perf_counter() - start
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
