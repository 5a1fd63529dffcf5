"""Predictors without images: what is planted is found and removed, and what is not there is not reported."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.bias.measure import out_of_fold, progressive
from cambrian_eval.results.bias.predictors import PREDICTORS, folds, predictors
from cambrian_eval.results.bias.study import Settings, Study, items_csv, study, subset
from cambrian_eval.results.bias.texts import Texts
from cambrian_eval.sample import Sample, clusters

LETTERS = "ABCD"
COLORS, THINGS, PLACES = ("red", "green", "blue", "grey"), ("dog", "cat", "car", "tree"), ("left", "right", "far")
WORDS = [f"{a}{b}" for a in ("ba", "ke", "li", "mo", "nu") for b in ("t", "rt", "st", "lk", "ng", "p")]


def lettered(n: int, seed: int, options: int = 4) -> list[Sample]:
    """Samples whose answer has nothing to do with their text; two for each image."""
    draw, found = Random(seed), []
    for i in range(n):
        question = f"What {draw.choice(THINGS)} is on the {draw.choice(PLACES)} of the {draw.choice(COLORS)} box?"
        letters = tuple(LETTERS[:options])
        words = tuple(draw.sample(WORDS, options))
        answer = (draw.choice(letters),)
        found.append(Sample(str(i), i, question, answer, words, guesses=letters, image_id=str(i // 2)))
    return found


def of(benchmark: str, samples: list[Sample], **settings: Any) -> Study:
    return study([(load_benchmark(benchmark), samples)], Settings(**settings))[0]


def kept(found: Study, samples: list[Sample]) -> list[Sample]:
    return [s for s in samples if s.id in set(found.debiased.ids)]


def right_words(sample: Sample) -> str:
    return sample.options[sample.answers[0]]


def with_right(sample: Sample, words: str) -> Sample:
    """The sample with other words for its right answer."""
    place = LETTERS.index(sample.answers[0])
    return replace(sample, choices=(*sample.choices[:place], words, *sample.choices[place + 1 :]))


def plant_letter(sample: Sample, draw: Random) -> Sample:
    return replace(sample, answers=("B",)) if draw.random() < 0.5 else sample


def plant_length(sample: Sample, draw: Random) -> Sample:
    """The right answer is the longest one, in other words each time."""
    if draw.random() < 0.6:
        return with_right(sample, f"{right_words(sample)}{draw.randrange(10**6):06d}")
    return sample


def plant_word(sample: Sample, draw: Random) -> Sample:
    """Where one of five words is an option, it is the answer."""
    sure = [letter for letter, text in sample.options.items() if text in WORDS[:5]]
    return replace(sample, answers=(sure[0],)) if sure else sample


def plant_question(sample: Sample, draw: Random) -> Sample:
    """The thing asked for decides the letter, in three of four samples."""
    return replace(sample, answers=(by_thing(sample),)) if draw.random() < 0.75 else sample


def by_thing(sample: Sample) -> str:
    return LETTERS[THINGS.index(sample.question.split()[1])]


def longest(sample: Sample) -> str:
    return max(sample.options, key=lambda letter: len(sample.options[letter]))


def sure_word(sample: Sample) -> str:
    return next((letter for letter, text in sample.options.items() if text in WORDS[:5]), "")


PLANTED = {
    "letter": (plant_letter, lambda s: "B", "most frequent letter"),
    "length": (plant_length, longest, "shape of options"),
    "word": (plant_word, sure_word, "most frequent answer"),
    "question": (plant_question, by_thing, "first words"),
}


@cache
def planted(kind: str) -> tuple[list[Sample], Study]:
    draw = Random(3)
    samples = [PLANTED[kind][0](s, draw) for s in lettered(140, 1)]
    return samples, of("seed", samples, seed=7)


@pytest.mark.parametrize(
    "kind", ["letter", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("length", "word", "question"))]
)
def test_a_planted_bias_is_found_and_removed(kind: str) -> None:
    _, guess, name = PLANTED[kind]
    samples, found = planted(kind)
    assert found.finding == "biased" and found.p_holm < 0.05
    assert next(a for a in found.accuracies if a.predictor == name).margin > 12
    left = kept(found, samples)
    assert 20 <= len(left) < 140 and found.debiased.margin <= 5.0
    # a guesser who knows what was planted, counted by hand
    guessed = [guess(s) for s in left]
    assert sum(g == s.answers[0] for g, s in zip(guessed, left, strict=True)) <= 0.35 * len(left)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("pope", ("Yes", "No"), marks=pytest.mark.slow),
        ("gqa", ("red", "green", "two", "left")),
        ("countbenchqa", "23456789"),
    ],
)
def test_yes_no_free_text_and_numbers(name: str, answer: tuple[str, ...]) -> None:
    """The first word of a question tells the answer in three of four samples."""
    draw, samples = Random(5), []
    firsts = [f"is{a}".casefold() for a in answer]
    for i in range(200):
        true = draw.choice(answer)
        first = firsts[answer.index(true)] if draw.random() < 0.75 else draw.choice(firsts)
        guesses = ("Yes", "No") if name == "pope" else ()
        tags = {"split": "random"} if name == "pope" else {}
        samples.append(Sample(str(i), i, f"{first} it {i % 7}", (true,), guesses=guesses, image_id=str(i), tags=tags))
    found = of(name, samples)
    by = {a.predictor: a for a in found.accuracies}
    assert found.finding == "biased" and found.free == (0 if name == "pope" else 200)
    assert by["first words"].accuracy > 70 and by["words"].accuracy > 40
    assert by["first words"].chance == (50 if name == "pope" else 0)
    most = 100 * max(Counter(s.answers[0] for s in samples).values()) / 200
    if name == "pope":
        left = kept(found, samples)
        told = sum(s.answers[0] == answer[firsts.index(s.question.split()[0])] for s in left)
        assert len(left) >= 20 and 0.4 < told / len(left) < 0.62
    else:  # four to eight different answers: naming the most frequent one is always right more often than 5 %
        assert by["most frequent answer"].accuracy == pytest.approx(most)
        assert found.debiased.ids == () and found.debiased.margin > 5


def test_free_text_with_many_answers_has_a_debiased_subset() -> None:
    """Half of the answers are `yes`, all others differ: at most 5 % of what stays may be `yes`."""
    samples = [Sample(str(i), i, f"q {i}", ("yes" if i % 2 else f"w{i}",), image_id=str(i)) for i in range(120)]
    found = of("gqa", samples)
    left = Counter(s.answers[0] for s in kept(found, samples))
    assert found.best.accuracy == 50.0 and found.finding == "biased"
    assert left["yes"] <= 0.05 * left.total() and left.total() >= 60


@pytest.mark.slow
def test_text_that_says_nothing_is_reported_at_the_stated_rate() -> None:
    """At 5 %, more than 8 of 50 reports have a probability below 0.001."""
    benchmark, quick = load_benchmark("seed"), [p for p in PREDICTORS if p.tier == 0]
    reports = 0
    for seed in range(50):
        texts = Texts(benchmark, lettered(60, seed, options=2))
        reports += progressive(quick, texts, np.arange(60), 5, seed).p_value < 0.05
    assert reports <= 8


def test_unbiased_rows_are_all_kept_and_holm_corrects() -> None:
    samples = lettered(80, 13)
    benchmark = load_benchmark("seed")
    both = [(benchmark, samples), (benchmark, lettered(80, 14))]
    one, other = study(both, Settings(margin=15))
    assert one.finding == other.finding == "no bias found"
    assert one.debiased.ids == tuple(s.id for s in samples)
    smaller, larger = sorted([one, other], key=lambda s: s.test.p_value)
    assert smaller.p_holm == min(1, 2 * smaller.test.p_value)
    assert larger.p_holm == max(smaller.p_holm, larger.test.p_value)
    assert of("seed", samples, margin=15.0).test == one.test  # the same seed, the same numbers


def test_questions_about_one_image_are_never_in_two_folds() -> None:
    """Each image has a word of its own and the same answer twice: only one who sees the other copy knows it."""
    draw, samples = Random(2), []
    for i in range(80):
        letter = draw.choice(LETTERS)
        words = tuple(f"{w}{i}" for w in "wxyz")
        for k in (0, 1):
            samples.append(
                Sample(f"{i}.{k}", 2 * i + k, f"u{i} v{i}?", (letter,), words, guesses=tuple(LETTERS), image_id=str(i))
            )
    texts = Texts(load_benchmark("seed"), samples)
    fold = folds(texts.cluster, 5, 4)
    assert all(len({fold[i] for i in np.flatnonzero(texts.cluster == c)}) == 1 for c in set(clusters(samples)))
    assert Counter(fold.tolist()) == dict.fromkeys(range(5), 32)
    for predictor in predictors(texts, by=False):
        assert out_of_fold(predictor, texts, np.arange(160), 5, 4).mean() < 0.45, predictor.name


def test_rates_and_shared_guesses_by_hand() -> None:
    """Two folds of two images: A, A and A, B. What each fold's guess scores follows from the other one."""
    samples = [
        Sample(str(i), i, "what?", (a,), (f"w{i}", f"v{i}"), guesses=("A", "B"), image_id=str(i))
        for i, a in enumerate("AAAB")
    ]
    texts = Texts(load_benchmark("seed"), samples)
    seed = next(s for s in range(99) if folds(texts.cluster, 2, s).tolist() == [0, 0, 1, 1])
    # fold 1 is answered by A, A: the guess is A. Fold 0 is answered by A, B: a tie, half a point each.
    assert out_of_fold(PREDICTORS[0], texts, np.arange(4), 2, seed).tolist() == [0.5, 0.5, 1.0, 0.0]


def test_groups_stay_whole_and_pairs_with_opposite_answers_cannot_be_guessed() -> None:
    samples = []
    for i in range(40):
        for k, letter in enumerate("AB"):
            samples.append(
                Sample(
                    f"{i}{letter}", 2 * i + k, f"q{i % 4}?", (letter,), ("up", "down"), guesses=("A", "B"), group=str(i)
                )
            )
    balanced = of("mmvp", samples)
    assert balanced.finding == "no bias found" and len(balanced.debiased.ids) == 80
    assert balanced.score_of_chance == 25.0 and all(a.accuracy == 50.0 for a in balanced.accuracies)
    tilted = [replace(s, answers=("A",)) if int(s.group or 0) % 3 == 0 else s for s in samples]
    found = of("mmvp", tilted)
    names = Counter(s.group for s in kept(found, tilted))
    assert found.finding == "biased" and 0 < len(names) < 40 and set(names.values()) == {2}


def test_a_tag_is_used_where_it_is_named_alone() -> None:
    samples = [replace(s, tags={"kind": s.answers[0]}) for s in lettered(100, 4)]
    benchmark, rows = load_benchmark("seed"), np.arange(100)
    blind, told = Texts(benchmark, samples), Texts(benchmark, samples, ("kind",))
    assert [p.name for p in predictors(told, by=True)][2] == "most frequent by tag"
    for one in predictors(blind, by=False):
        assert one.name != "most frequent by tag"
        assert one.tier or out_of_fold(one, told, rows, 5, 0).mean() < 0.45
    assert out_of_fold(predictors(told, by=True)[2], told, rows, 5, 0).mean() > 0.95
    with pytest.raises(UserError, match=r"--by color: the samples of seed have no such tag; they have: kind"):
        of("seed", samples, by=("color",))


def test_items_subset_and_recipe() -> None:
    samples, found = planted("letter")
    assert [i.id for i in found.items] == [s.id for s in samples]
    item = found.items[0]
    assert item.solved == pytest.approx(np.mean(list(item.by_predictor.values())))
    for about in found.accuracies:
        assert np.mean([i.by_predictor[about.predictor] for i in found.items]) * 100 == pytest.approx(about.accuracy)
        assert about.score == pytest.approx(about.accuracy)  # SEED's own metric is the mean over rows
    rows = items_csv([found]).splitlines()
    assert rows[0].startswith("benchmark,id,chance,solved,most frequent letter,") and len(rows) == 141
    made = subset([found], Settings(seed=7), {"seed": {"fingerprint": "f"}})
    assert made.ids["seed"] == found.debiased.ids and made.of == {"seed": 140} and made.name == "debiased"
    about = made.recipe["benchmarks"]["seed"]
    assert (about["rows"], about["kept"], about["data"]) == (140, len(found.debiased.ids), {"fingerprint": "f"})
    assert (made.recipe["seed"], made.recipe["folds"], made.recipe["margin"]) == (7, 5, 5.0)


def test_too_few_images_and_withheld_answers() -> None:
    with pytest.raises(UserError, match=r"seed: 8 images .* too few for 5 folds; at least 10"):
        of("seed", lettered(16, 0))
    with pytest.raises(UserError, match="answers are withheld"):
        of("seed", [replace(s, answers=()) for s in lettered(30, 0)])
