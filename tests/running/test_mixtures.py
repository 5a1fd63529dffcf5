"""What counts as one way of making responses, and what is a mixture."""

from __future__ import annotations

from typing import Any

from cambrian_eval.running.mixtures import general, mixture, ways_of


def notes(model: str, tokens: int, temperature: int | None = 0) -> dict[str, Any]:
    sent = {"max_tokens": tokens} if temperature is None else {"max_tokens": tokens, "temperature": temperature}
    return {"sent": sent, "served_by": model}


def test_responses_without_such_notes_are_no_mixture() -> None:
    assert mixture(ways_of([{}, {"images_dropped": 1}, {"sent": 3, "served_by": None}])) is None


def test_models_limits_and_temperatures_are_told_apart() -> None:
    for other in (notes("b", 128), notes("a", 4224), notes("a", 128, None)):
        found = mixture(ways_of([notes("a", 128), notes("a", 128), other]))
        assert found is not None and found.startswith("2 by a (max_tokens 128, temperature 0); 1 by ")
    assert "no temperature" in (mixture(ways_of([notes("a", 128), notes("a", 128, None)])) or "")


def test_over_a_run_benchmarks_may_have_limits_of_their_own() -> None:
    assert mixture(ways_of(map(general, [notes("a", 16), notes("a", 128)]))) is None
    assert mixture(ways_of(map(general, [notes("a", 16), notes("b", 128)]))) is not None


def test_many_ways_are_cut_short() -> None:
    found = mixture(ways_of([notes(f"m{i}", 1) for i in range(9)]))
    assert found is not None and found.endswith("and 5 more")
