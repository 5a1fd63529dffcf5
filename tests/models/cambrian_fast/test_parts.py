"""Layouts, caches, groups and batches, each against a slow second telling of the same rule."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.models.cambrian.config import IMAGE_TOKEN_ID
from cambrian_eval.models.cambrian.fast.cache import GrowingCache
from cambrian_eval.models.cambrian.fast.layout import PADDING, PREFIX, Layout
from cambrian_eval.models.cambrian.fast.memory import TokenBudget
from cambrian_eval.models.cambrian.fast.planning import Batch, Rules, Window
from cambrian_eval.models.cambrian.fast.questions import Group, ImageSource, Question

VISUAL = 20


@given(
    st.lists(st.lists(st.sampled_from([PREFIX, PADDING, 0, 1, 2]), min_size=6, max_size=6), min_size=1, max_size=3),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 5)),
)
def test_a_token_sees_the_prefix_and_its_own_question(owners: list[list[int]], count: int, window: int | None) -> None:
    positions = [[2 * column for column in range(6)] for _ in owners]
    mask = Layout(torch.tensor(owners), torch.tensor(positions)).mask(count, window)
    assert mask.shape == (len(owners), 1, count, 6)
    for row, who in enumerate(owners):
        for query in range(6 - count, 6):
            for key in range(6):
                related = who[key] in (PREFIX, who[query])
                near = window is None or 2 * (query - key) < window
                expected = key == query or (related and key <= query and near)
                assert bool(mask[row, 0, query - (6 - count), key]) == expected


@given(st.lists(st.integers(1, 90), min_size=1, max_size=5))
@settings(max_examples=20)
def test_a_growing_cache_holds_what_it_was_given(lengths: list[int]) -> None:
    cache = GrowingCache()
    parts = [torch.randn(2, 3, length, 4) for length in lengths]
    for part in parts:
        keys, values = cache.update(part, 2 * part, 0)
    whole = torch.cat(parts, dim=2)
    assert torch.equal(keys, whole) and torch.equal(values, 2 * whole)
    assert cache.get_seq_length() == sum(lengths)


def test_forks_share_a_prefix_and_gathering_keeps_columns() -> None:
    cache = GrowingCache()
    first, second, third = torch.randn(3, 2, 5, 4), torch.randn(3, 2, 3, 4), torch.randn(2, 2, 2, 4)
    cache.update(first, first, 0)
    fork = cache.fork(None, 5)
    keys, _ = fork.update(second, second, 0)
    assert torch.equal(keys, torch.cat([first, second], dim=2))
    some = cache.fork(torch.tensor([2, 0]), 5)
    keys, _ = some.update(third, third, 0)
    assert torch.equal(keys, torch.cat([first[[2, 0]], third], dim=2))
    some.gather(torch.tensor([1]), torch.tensor([[0, 6, 2]]))
    last = torch.randn(1, 2, 1, 4)
    _, values = some.update(last, last, 0)
    before = torch.cat([first[[2, 0]], third], dim=2)[1:, :, [0, 6, 2]]
    assert torch.equal(values, torch.cat([before, last], dim=2))


def shown(key: str) -> ImageSource:
    return ImageSource(key, (10, 10), lambda: None)


def asked(tag: int, key: str | None, own: list[int], head: tuple[int, ...] = (7, 8, 9), limit: int = 4) -> Question:
    if key is None:
        return Question(tag, (*head * 4, *own), limit)
    return Question(tag, (*head, IMAGE_TOKEN_ID, *own), limit, shown(key))


questions_strategy = st.lists(
    st.tuples(
        st.sampled_from([None, "p", "q"]),
        st.lists(st.integers(0, 2), min_size=1, max_size=6),
        st.sampled_from([(7, 8, 9), (5, 6)]),
        st.integers(1, 40),
    ),
    max_size=40,
)


def window(
    questions: list[Question], limit: int | None = None, width: int = 4, most: int | None = None, alone: bool = False
) -> tuple[Window, list[Question]]:
    pulled: list[Question] = []

    def stream() -> Iterator[Question]:
        for question in questions:
            pulled.append(question)
            yield question

    rules = Rules(limit, width, most, alone)
    return Window(stream(), lambda _: VISUAL, lambda _: None, rules), pulled


def drained(found: Window, tokens: int) -> list[Batch]:
    batches = []
    found.fill(tokens)
    while (batch := found.take(tokens)) is not None:
        batches.append(batch)
        found.fill(tokens)
    return batches


@given(questions_strategy, st.integers(1, 400), st.sampled_from([None, 22, 24, 26]), st.booleans())
@settings(max_examples=150)
def test_every_question_is_in_one_batch_and_its_parts_make_its_prompt(
    drawn: list[tuple[str | None, list[int], tuple[int, ...], int]],
    tokens: int,
    limit: int | None,
    alone: bool,
) -> None:
    questions = [asked(n, key, own, head, most) for n, (key, own, head, most) in enumerate(drawn)]
    found, _ = window(questions, limit, alone=alone)
    batches = drained(found, tokens)
    inside = [q.tag for batch in batches for group in batch.groups for q in group.questions]
    assert sorted(inside) == list(range(len(questions)))
    for batch in batches:
        assert len(batch.groups) == 1 or batch.tokens <= tokens
        for group in batch.groups:
            check_group(group, batch.split, limit)
            assert batch.split or len(group.questions) == 1


def check_group(group: Group, split: bool, limit: int | None) -> None:
    for question in group.questions:
        whole = expanded(question.ids)
        kept = whole if limit is None or question.image is None else whole[:limit]
        assert group.prompt_tokens(question) == len(kept)
        if split:
            parts = expanded(group.prefix_ids)
            assert group.prefix_tokens == len(parts)
            assert len(group.own_ids(question)) > 0
            assert (*parts, *group.own_ids(question)) == kept
            assert question.image is None or IMAGE_TOKEN_ID in group.prefix_ids


def expanded(ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(value for one in ids for value in ([one] if one != IMAGE_TOKEN_ID else range(-1000, -1000 + VISUAL)))


def test_neighbors_about_one_image_share_a_group() -> None:
    questions = [asked(n, "p", [n]) for n in range(9)] + [asked(9, "q", [1])]
    found, _ = window(questions)
    groups = [group for batch in drained(found, 1000) for group in batch.groups]
    assert sorted(len(group.questions) for group in groups) == [1, 9]


def test_only_what_two_batches_need_is_pulled() -> None:
    questions = [asked(n, f"image {n}", [1, 2, 3]) for n in range(1000)]
    found, pulled = window(questions)
    found.fill(100)
    assert len(pulled) < 20
    found.take(100)
    found.fill(100)
    assert len(pulled) < 30


def test_a_batch_asks_no_more_than_the_batch_size() -> None:
    questions = [asked(n, f"image {n}", [1, 2, 3]) for n in range(50)]
    found, _ = window(questions, width=4, most=4)
    assert {len(batch.groups) for batch in drained(found, 10**6)} <= {4, 2}


@given(st.integers(100, 5000))
def test_a_budget_closes_in_on_what_fits(capacity: int) -> None:
    budget = TokenBudget(8192, most=8192)
    failures = 0
    for _ in range(60):
        used = budget.tokens
        if used > capacity:
            failures += 1
            budget.ran_out(used)
        else:
            budget.succeeded(used)
    assert capacity * 0.75 <= budget.tokens <= capacity
    assert failures <= 14
