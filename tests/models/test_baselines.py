"""Blind baselines: their answers by hand, and the shortcuts they are there to expose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval import Request, Sample, UserError, run
from cambrian_eval.model import Observer
from cambrian_eval.models.baselines import BASELINES, Baseline, longest_option, most_frequent, text_prior
from cambrian_eval.registry import resolve
from cambrian_eval.running.records import Cell


def lettered(i: int, question: str, choices: tuple[str, ...], answer: str, made_image: str | None = None) -> Sample:
    guesses = tuple("ABCDEFGH"[: len(choices)])
    return Sample(str(i), i, question, (answer,), choices, image_id=made_image or f"p{i}", guesses=guesses)


def yes_no(i: int, question: str, answer: str, made_image: str) -> Sample:
    return Sample(str(i), i, question, (answer,), image_id=made_image, guesses=("Yes", "No"))


def asked(model: Baseline, samples: list[Sample]) -> dict[str, str]:
    model.observe("b", samples)
    requests = [Request(s.id, "b", "on", s.question, (), 0, 8, "k") for s in samples]
    return {r.id: r.text for r in model.respond(iter(requests))}


def test_the_most_frequent_answer_that_the_question_allows() -> None:
    samples = [
        lettered(0, "q", ("x", "y", "z"), "C"),
        lettered(1, "q", ("x", "y", "z"), "C"),
        lettered(2, "q", ("x", "y"), "B"),
        lettered(3, "q", ("x", "y"), "A"),
        lettered(4, "q", ("x", "y"), "B"),
        yes_no(5, "q", "No", "p"),
        Sample("6", 6, "q", ("red", "crimson")),
        Sample("7", 7, "q", ("red",)),
        Sample("8", 8, "q", ("blue",)),
    ]
    guess = most_frequent(samples)
    # C and B are right twice each; the first of the legal ones wins a tie, and two options allow no C
    assert [guess(s) for s in samples] == ["B", "B", "B", "B", "B", "No", "red", "red", "red"]


def test_the_longest_option_by_its_words() -> None:
    samples = [
        lettered(0, "q", ("a cat", "a very large dog", "it"), "A"),
        lettered(1, "q", ("same", "size"), "B"),
        Sample("2", 2, "q", ("C",), ("short", "longer"), labels=("B", "D")),
        yes_no(3, "q", "No", "p"),
        Sample("4", 4, "q", ("free",)),
    ]
    guess = longest_option(samples)
    assert [guess(s) for s in samples] == ["B", "A", "D", "Yes", ""]


def test_a_text_shortcut_is_exposed_by_the_text_prior_alone() -> None:
    """The wording gives the answer away: colors are always blue, counts always three; letters are shuffled."""
    rng = random.Random(1)
    samples = []
    for i in range(200):
        color = i % 2 == 0
        options = ["red", "blue", "green", "black"] if color else ["1", "2", "3", "4"]
        rng.shuffle(options)
        right = "ABCD"[options.index("blue" if color else "3")]
        question = "What color is the car?" if color else "How many cars are there?"
        samples.append(lettered(i, question, tuple(options), right))
    right = {s.id: s.answers[0] for s in samples}

    def score(name: str) -> float:
        found = asked(Baseline(name, BASELINES[name]), samples)
        return sum(found[i] == right[i] for i in right) / len(right)

    assert score("text-prior") == 1.0 and score("most-frequent") < 0.5


def test_the_text_prior_finds_nothing_where_there_is_nothing() -> None:
    rng = random.Random(2)
    samples = [
        lettered(i, f"Which is object {rng.random()}?", ("north", "south", "east", "west"), rng.choice("ABCD"))
        for i in range(2000)
    ]
    guess = text_prior(samples)
    share = sum(guess(s) == s.answers[0] for s in samples) / len(samples)
    assert abs(share - 0.25) < 0.05  # five standard errors


def test_the_text_prior_does_not_learn_from_its_own_image() -> None:
    """Every question is unique to its image, so only a leak could answer it."""
    samples = [
        yes_no(2 * p + k, f"token{p} token{p} is it?", ("Yes", "No")[p % 2], f"image{p}")
        for p in range(60)
        for k in (0, 1)
    ]
    guess = text_prior(samples)
    assert {guess(s) for s in samples} <= {"Yes", "No"}
    share = sum(guess(s) == s.answers[0] for s in samples) / len(samples)
    assert share < 0.75
    changed = [s if s.image_id != "image7" else yes_no(s.index, s.question, "Yes", "image7") for s in samples]
    again = text_prior(changed)
    own = [s for s in samples if s.image_id == "image7"]
    assert [guess(s) for s in own] == [again(s) for s in own]


def test_free_answers_come_from_similarly_worded_questions() -> None:
    samples = [Sample(str(i), i, "What year is on the coin?", ("1999",), image_id=f"c{i}") for i in range(20)]
    samples += [Sample(str(i), i, "Who wrote this book?", ("anon",), image_id=f"b{i}") for i in range(20, 50)]
    found = asked(Baseline("text-prior", text_prior), samples)
    assert {found[str(i)] for i in range(20)} == {"1999"} and {found[str(i)] for i in range(20, 50)} == {"anon"}


@given(st.lists(st.tuples(st.integers(2, 6), st.integers(0, 5), st.text(max_size=20)), min_size=1, max_size=30))
def test_every_answer_is_legal_and_always_the_same(rows: list[tuple[int, int, str]]) -> None:
    samples = [
        lettered(i, text, tuple(f"o{k}" for k in range(n)), "ABCDEF"[right % n])
        for i, (n, right, text) in enumerate(rows)
    ]
    for guesser in BASELINES.values():
        first, second = guesser(samples), guesser(list(samples))
        for sample in samples:
            assert first(sample) in sample.options and first(sample) == second(sample)


def test_withheld_answers_and_samples_it_was_not_shown() -> None:
    blind = [Sample("1", 0, "q"), lettered(2, "q", ("x", "y"), "A")]
    for name in BASELINES:
        found = asked(Baseline(name, BASELINES[name]), [*blind, Sample("3", 2, "q", (), ("x", "y"))])
        assert found["1"] == "" or name == "baseline:most-frequent"
        model = Baseline(name, BASELINES[name])
        (response,) = model.respond(iter([Request("9", "b", "on", "q", (), 0, 8, "k")]))
        assert response.finish == "failed" and "did not observe" in (response.error or "")


def test_a_run_through_the_harness(docvqa_root: Path, tmp_path: Path) -> None:
    done = run("baseline:most-frequent", ["docvqa"], tmp_path / "run", data_root=docvqa_root)
    assert done.n == 60 and done.n_failed == 0
    assert {r.text for r in done.run.stored.responses(Cell("docvqa", "on")).values()} == {"answer 0"}
    assert done.run.info["model"]["name"] == "baseline:most-frequent"


def test_names() -> None:
    assert isinstance(resolve("baseline:text-prior"), Observer)
    with pytest.raises(UserError, match="longest-option"):
        resolve("baseline:longest")
    with pytest.raises(UserError, match="most-frequent"):
        resolve("baseline:")
