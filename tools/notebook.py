"""Executes docs/notebook.ipynb in an empty folder; `--write` stores the outputs in it.

Without `--write`, it fails where a cell fails or prints other text than is stored. Warnings are not stored: they name
a file that is different in every process. Needs nbclient and ipykernel.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def executed(notebook: Any, folder: Path) -> Any:
    """A copy of the notebook with the outputs that it has when it runs in a folder."""
    import copy

    from nbclient import NotebookClient

    made = copy.deepcopy(notebook)
    os.environ.setdefault("IPYTHONDIR", str(folder / "ipython"))
    NotebookClient(made, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.name != "stderr"]
    return made


def texts(notebook: Any) -> list[str]:
    """The text of every output that does not show times: results of cells, not progress."""
    found = []
    for cell in notebook.cells:
        for output in cell.outputs if cell.cell_type == "code" else ():
            if output.output_type == "stream":
                found.append(output.text)
            elif output.output_type == "execute_result":
                found.append(output.data.get("text/plain", ""))
    return found


def main() -> int:
    """Executes, compares or writes."""
    import nbformat

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="Store the outputs in the notebook.")
    arguments = parser.parse_args()
    stored = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        made = executed(stored, Path(folder))
    if arguments.write:
        nbformat.write(made, NOTEBOOK)
        print(f"written: {NOTEBOOK}")
        return 0
    for before, now in zip(texts(stored), texts(made), strict=False):
        if before != now:
            print(f"the notebook has\n{before}\nnow it is\n{now}", file=sys.stderr)
    same = texts(stored) == texts(made)
    print("the outputs are those of the notebook" if same else "the outputs differ; see --write")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
