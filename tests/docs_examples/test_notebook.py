"""The notebook of the guide is executed, and prints what it has stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_stored_notebook_has_no_errors_and_says_that_its_data_is_synthetic() -> None:
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())["cells"]
    outputs = [o for cell in cells for o in cell.get("outputs", ())]
    assert outputs and not [o for o in outputs if o["output_type"] == "error"]
    assert any("image/png" in o.get("data", {}) for o in outputs)
    assert "synthetic data" in json.dumps(outputs)
    assert str(Path.home()) not in json.dumps(outputs)


@pytest.mark.slow
def test_the_notebook_does_what_it_shows() -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = subprocess.run([sys.executable, ROOT / "tools" / "notebook.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
