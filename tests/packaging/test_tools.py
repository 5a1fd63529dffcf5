"""The scripts of `tools/` start: what they import is there under the name they use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SCRIPTS = sorted(path.name for path in TOOLS.glob("*.py") if "argparse" in path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_prints_its_help(script: str) -> None:
    done = subprocess.run([sys.executable, str(TOOLS / script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout and "--help" in done.stdout
