"""Scoring and comparing leave Python's search for cycles as the user had it."""

from __future__ import annotations

import gc

import pytest

from cambrian_eval.collector import collector_off


@pytest.mark.parametrize("wanted", [True, False])
def test_the_search_for_cycles_is_as_before_after_an_error(wanted: bool) -> None:
    (gc.enable if wanted else gc.disable)()
    try:
        with pytest.raises(ValueError, match="inside"), collector_off():
            assert not gc.isenabled()
            raise ValueError("inside")
        assert gc.isenabled() == wanted
    finally:
        gc.enable()
