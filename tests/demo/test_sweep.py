"""The table of the demo's variants can be used by `analyze`: complete, and on the benchmarks' own scales."""

from __future__ import annotations

from cambrian_eval.demo import miniature, sweep
from cambrian_eval.reports.scores import read_csv


def test_every_variant_has_a_score_of_every_benchmark() -> None:
    table = read_csv(sweep())
    assert len(table.models) == 8 and len([m for m in table.models if table.groups[m] == "seed"]) == 3
    for model in table.models:
        row = table.row(model)
        assert set(row) == set(miniature.NAMES)
        assert 100 < row.pop("mme") <= 2000  # MME's own scale; a constant response scores 500
        assert all(0 <= score <= 100 for score in row.values())
