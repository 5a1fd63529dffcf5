"""The half dose where it grows as the amount falls (`crop`), against amounts that are counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

from cambrian_eval import run
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.registry import load_benchmark
from cambrian_eval.reports import dose
from cambrian_eval.reports.runs import open_runs
from tests.conftest import Scripted


def test_a_half_dose_that_is_sometimes_never_reached_ends_beyond_the_last_amount(tmp_path: Path) -> None:
    """Of 20 images all are solved, of crop:0.5 all, of crop:0.2 eight, with vision off none."""
    samples = load_samples(load_benchmark("ai2d"), DataSpec(mini=20)).samples
    golds = {s.id: s.answers[0] for s in samples}
    solved = {"on": 20, "crop:0.5": 20, "crop:0.2": 8, "off": 0}
    places = {s.id: i for i, s in enumerate(samples)}

    def answer(request) -> str:  # type: ignore[no-untyped-def]
        return golds[request.id] if places[request.id] < solved[request.condition] else "none of these"

    run(Scripted(answer), ["ai2d"], tmp_path / "run", data="mini:20", vision=tuple(solved))
    (curve,) = dose.curves(open_runs([tmp_path / "run"]), "fuzzy", "crop", "").curves
    assert curve.half is not None and curve.half.low is not None
    # from 0.5 (100) to 0.2 (40) the middle, 50, is at 0.5 - 0.3 * 50 / 60
    assert math.isclose(curve.half.amount, 0.25)
    # crop:0.2 is above 50 in about 13 % of the resamples: its share there is binomial (20, 0.4)
    assert curve.half.high == math.inf and 0.25 < curve.half.low < 0.32
