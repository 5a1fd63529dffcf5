"""A few drawn sources, written once for all tests that use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambrian_eval.demo.sources import draw

IMAGES = 15


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "sources"
    assert draw(root, seed=7, images=IMAGES) == dict.fromkeys(
        ("COCO", "ADE20K", "SUNRGBD", "Hypersim", "nuScenes"), IMAGES
    )
    return root
