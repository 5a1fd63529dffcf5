"""The miniature suite: small drawn stand-ins for the benchmarks, in each benchmark's own row schema.

The sixteen of the paper are drawn by the builders of this room; a further benchmark draws its own with
`Benchmark.mini_rows`, through the scenes of `scenes`.

`rows` makes them, `schema` and `columns` describe them, `text_prior` is the best score without the images. Rows are
exactly reproducible: a row depends on the benchmark, the split, the seed and its own number, not on how many rows are
requested (except that MMBench fits its last circular group to the number of rows). The train split uses seeds of its
own, with more varied images.

Inside, `sampling` makes the random choices and `canvas` draws. One file per kind of scene (shapes, places, streets,
space, charts, words, documents, diagrams, figures) has its images and questions, and one file per category of
benchmarks (general, knowledge, ocr_chart, vision_centric) makes rows of them. Only drawing imports Pillow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.demo.miniature import general, knowledge, ocr_chart, vision_centric
from cambrian_eval.demo.miniature.canvas import png
from cambrian_eval.demo.miniature.sampling import DraftRow, Sampler, Sketch, Split
from cambrian_eval.demo.miniature.scenes import Painter
from cambrian_eval.demo.miniature.schemas import SCHEMAS
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.registry import benchmark_names, load_benchmark

__all__ = ["NAMES", "Row", "Split", "columns", "names", "rows", "schema", "text_prior"]

Row = dict[str, Any]
Builder = Callable[[Sampler, int, int], list[DraftRow]]

_BUILDERS: dict[str, Builder] = {
    "mme": general.mme,
    "mmbench": general.mmbench,
    "seed": general.seed,
    "gqa": general.gqa,
    "scienceqa": knowledge.scienceqa,
    "mmmu": knowledge.mmmu,
    "mathvista": knowledge.mathvista,
    "ai2d": knowledge.ai2d,
    "chartqa": ocr_chart.chartqa,
    "ocrbench": ocr_chart.ocrbench,
    "textvqa": ocr_chart.textvqa,
    "docvqa": ocr_chart.docvqa,
    "mmvp": vision_centric.mmvp,
    "realworldqa": vision_centric.realworldqa,
    "cvbench_2d": vision_centric.cvbench_2d,
    "cvbench_3d": vision_centric.cvbench_3d,
}
_GROUP_SIZES: dict[str, tuple[int, ...]] = {
    "mme": (2,),
    "gqa": (2,),
    "docvqa": (2,),
    "mmvp": (2,),
    "mmbench": (4, 4, 2, 3, 4, 3, 4),
}
"""Sizes of consecutive groups of rows that belong together; 1 for all other benchmarks."""

NAMES: tuple[str, ...] = tuple(_BUILDERS)
"""The paper's sixteen, in its order: what the demo checkpoint is trained on."""


@cache
def names() -> tuple[str, ...]:
    """The benchmarks that have miniature rows: the paper's sixteen in its order, others by name."""
    own = [n for n in benchmark_names() if n not in _BUILDERS and _draws(n)]
    return (*NAMES, *own)


def _draws(name: str) -> bool:
    return type(load_benchmark(name)).mini_rows is not Benchmark.mini_rows


def rows(name: str, n: int = 48, split: Split = "eval", seed: int = 0) -> Sequence[Row]:
    """The first `n` rows of a benchmark in miniature, images as {"bytes": PNG bytes, "path": None}.

    Rows that belong together (the pairs of MME and MMVP, the two questions about an image of GQA and DocVQA)
    are never separated: an odd `n` is rounded up to whole pairs.
    """
    return [row for group in _groups(name, n, split, seed) for row in _rendered(group)]


def text_prior(name: str, n: int = 48, split: Split = "eval", seed: int = 0) -> float:
    """The expected share of rows that the best guess from the text alone gets right."""
    priors = [made.prior for group in _groups(name, n, split, seed) for made in group]
    return sum(priors) / len(priors)


def schema(name: str) -> dict[str, str]:
    """Column -> type, written as in `schemas`."""
    if name not in SCHEMAS and name not in names():
        raise unknown("benchmark of the miniature suite", name, names())
    return dict(SCHEMAS[name] if name in SCHEMAS else load_benchmark(name).schema)


def columns(name: str) -> tuple[str, ...]:
    """The columns of a benchmark's rows, in order."""
    return tuple(schema(name))


def _groups(name: str, n: int, split: Split, seed: int) -> Iterator[list[DraftRow]]:
    """The rows of one group after the other, their images not drawn yet, until there are `n` rows."""
    if name not in _BUILDERS and name not in names():
        raise unknown("benchmark of the miniature suite", name, names())
    if n < 1:
        raise UserError(f"the miniature suite cannot make {n} rows of {name}; ask for at least 1")
    if split not in ("eval", "train"):
        raise UserError(f"the miniature suite has no split {split!r}; use eval or train")
    if name not in _BUILDERS:
        yield from _drawn_by_adapter(name, n, split, seed)
        return
    row = 0
    for group, size in enumerate(_sizes(name, n)):
        yield _BUILDERS[name](Sampler(name, split, seed, group), row, size)
        row += size


def _drawn_by_adapter(name: str, n: int, split: Split, seed: int) -> Iterator[list[DraftRow]]:
    """Groups that the benchmark's adapter draws, of whatever size it gives them."""
    benchmark, row, group = load_benchmark(name), 0, 0
    while row < n:
        made = benchmark.mini_rows(Painter(name, split, seed, group), row)
        yield [DraftRow(dict(one.columns), one.prior) for one in made]
        row, group = row + len(made), group + 1


def _sizes(name: str, n: int) -> Iterator[int]:
    """Group sizes that add up to `n`; where sizes vary, the last ones are fitted so that no group has a single row."""
    cycle = _GROUP_SIZES.get(name, (1,))
    left, turn = n, 0
    while left > 0:
        size = cycle[turn % len(cycle)]
        if len(cycle) > 1:
            if left - size == 1:
                size += -1 if size > 2 else 1
            size = max(2, min(size, left))
        yield size
        left -= size
        turn += 1


def _rendered(group: list[DraftRow]) -> list[Row]:
    """The rows of a group with their images drawn; rows with the same sketch get the same image."""
    drawn: dict[int, bytes] = {}

    def image(sketch: Sketch) -> dict[str, Any]:
        key = id(sketch)
        if key not in drawn:
            drawn[key] = png(sketch())
        return {"bytes": drawn[key], "path": None}

    def value(content: Any) -> Any:
        if callable(content):
            return image(content)
        if isinstance(content, list) and any(callable(item) for item in content):
            return [image(item) for item in content]
        return content

    return [{column: value(content) for column, content in made.columns.items()} for made in group]
