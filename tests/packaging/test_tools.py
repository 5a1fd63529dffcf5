"""The scripts of `tools/` start: what they import is there under the name they use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# one process, in which what they share is imported once
HELP = """
import contextlib, io, json, runpy, sys
printed = {}
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        sys.argv = [path, "--help"]
        sys.path[0] = path.rpartition("/")[0]
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            printed[path] = [end.code, out.getvalue()]
print(json.dumps(printed))
"""
TOOLS = Path(__file__).parents[2] / "tools"
SCRIPTS = sorted(path.name for path in TOOLS.glob("*.py") if "argparse" in path.read_text())


@pytest.mark.slow
def test_every_script_prints_its_help() -> None:
    paths = [str(TOOLS / name) for name in SCRIPTS]
    done = subprocess.run([sys.executable, "-c", HELP, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    assert list(printed) == paths
    for code, text in printed.values():
        assert code == 0 and "usage:" in text and "--help" in text
