"""Columns that are made at once equal those made value by value."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvbench_builder import catalog as catalogs
from cvbench_builder.candidates import new_table
from cvbench_builder.records import decode_numbers
from cvbench_builder.sources import coco
from cvbench_builder.tasks import zero_questions

INT64 = st.integers(-(2**63), 2**63 - 1)
IDS = st.one_of(st.integers(-5, 30), INT64, st.integers(), st.text(max_size=3), st.none())
NUMBERS = st.one_of(st.none(), st.floats(-100, 900))
BOXES = st.one_of(st.none(), st.lists(NUMBERS, max_size=6), st.lists(st.floats(-100, 900), min_size=4, max_size=4))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 120), st.integers(2**32 - 3, 2**32 + 3), INT64), min_size=1, max_size=20))
def test_whole_numbers_as_text(values: list[int]) -> None:
    column = catalogs.text(values)
    assert column.tolist() == [str(v) for v in values]
    assert column.dtype.itemsize == 4 * max(len(str(min(values))), len(str(max(values))))


@settings(max_examples=200, deadline=None)
@given(st.lists(IDS, max_size=12), st.lists(st.integers(0, 40), min_size=1, unique=True))
def test_rows_of_ids(wanted: list[Any], known: list[int]) -> None:
    row_of: dict[int | str, int] = {name: row for row, name in enumerate(known)}
    assert catalogs.Lookup(row_of).rows_of(wanted).tolist() == [row_of.get(name, -1) for name in wanted]


@given(st.lists(NUMBERS))
def test_numbers_of_which_some_are_missing(values: list[float | None]) -> None:
    assert np.array_equal(catalogs.numbers(values), np.array(values, np.float64), equal_nan=True)


def columns(annotations: list[Any]) -> dict[str, Any]:
    """The columns of annotations on ten images of two classes, and the counts of skipped ones."""
    skipped: Counter[str] = Counter()
    images, classes = catalogs.Lookup({i: i for i in range(10)}), catalogs.Lookup({1: 0, 3: 1})
    made = coco._object_columns(annotations, 0, images, classes, np.full((10, 2), 500.0), skipped)
    return {**{name: column.tolist() for name, column in made.items()}, "skipped": +skipped}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 10**6), IDS),
            st.integers(-1, 11),
            st.sampled_from([1, 3, 4, None]),
            BOXES,
            NUMBERS,
            st.sampled_from([0, 1, True]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_objects_together_as_each_alone(values: list[tuple[Any, ...]]) -> None:
    rows = [coco.ANNOTATION.cls(*row) for row in values]
    for place, row in enumerate(rows):
        row.id = place if row.id is None else row.id
    alone = [columns([row]) for row in rows]
    together = columns(rows)
    assert together.pop("skipped") == sum((one.pop("skipped") for one in alone), Counter())
    together["id"] = [str(v) for v in together["id"]]
    for name, column in together.items():
        assert column == [str(v) if name == "id" else v for one in alone for v in one[name]], name


def test_ids_of_which_some_are_text_are_joined_as_text() -> None:
    parts = [{"id": catalogs.id_column(ids, range(2))} for ids in ([7, 12], ["a", "b"], [None, 3])]
    assert catalogs.join_columns(parts)["id"].tolist() == ["7", "12", "a", "b", "0", "3"]


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
@given(data=st.data())
def test_lists_of_numbers_together_as_each_alone(shape: tuple[int, ...], data: st.DataObject) -> None:
    whole = st.lists(st.floats(-1e9, 1e9), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    nested = whole.map(lambda v: np.array(v).reshape(shape).tolist())
    values = data.draw(st.lists(st.one_of(nested, nested, st.none(), st.just([]), st.just([1, "x"])), min_size=1))
    found = decode_numbers([msgspec.Raw(json.dumps(v).encode()) for v in values], shape)
    alone = [np.array(v) if v and np.shape(v) == shape else np.full(shape, np.nan) for v in values]
    assert np.array_equal(found, np.array(alone, np.float64), equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9))
def test_pools_of_zero_questions(seed: int, classes: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    open_ = rng.random((images, classes)) < 0.7
    score = np.where(open_, rng.integers(0, 4, open_.shape), 0).astype(np.int32)
    order = rng.integers(0, 2**62, open_.shape).astype(np.uint64)
    popular = rng.permutation(classes)

    def expected(pools: list[list[int]]) -> dict[int, int]:
        return {i: min(pool, key=lambda c: int(order[i, c])) for i, pool in enumerate(pools) if pool}

    best = [
        [c for c in sorted(range(classes), key=lambda c: -row[c]) if row[c] > 0][:5]  # sorting keeps the order of ties
        for row in score.tolist()
    ]
    first = [[c for c in popular.tolist() if row[c]][:3] for row in open_.tolist()]
    for found, pools in (
        (zero_questions._from_best(score.copy(), order, 5), best),
        (zero_questions._from_first(open_, popular, order, 3), first),
    ):
        assert dict(zip(*(column.tolist() for column in found), strict=True)) == expected(pools)


def test_valid_candidates() -> None:
    table = new_table(3, 2, 1, reasons=np.array([0, 4, 0]), answer=np.arange(3))
    assert table.valid().answer.tolist() == [0, 2]
    assert len(new_table(2, 2, 1).valid()) == 2
