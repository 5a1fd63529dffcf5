"""A real Ray cluster with four CPUs on this machine, started once for all tests that need one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    from cambrian_eval.engines.cluster import load_ray
    from cambrian_eval.errors import UserError

    try:
        ray = load_ray()
    except UserError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the Ray engine must be tested in CI: {error}")
        pytest.skip(f"the Ray engine is not tested, because Ray is not installed ({error})")
    if not ray.is_initialized():
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=200 << 20,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    yield ray
    ray.shutdown()
