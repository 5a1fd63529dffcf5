"""Prints the parts of the code, their sizes and the imports between them; fails where imports run in a circle.

    python tools/architecture.py [--write]

A part is a folder of `cambrian_eval/` (`benchmarks/` and `reports/` among them), the contracts (the modules directly
in `cambrian_eval/`), its public names (`cambrian_eval/__init__.py`) or `cvbench_builder/`. Every import statement
counts: absolute and relative ones, those inside functions and those for type checkers only. The exit code is 1 where
modules or parts import each other in a circle, or where an import breaks a contract of `.importlinter`. `--write`
puts the report into `CONTRIBUTING.md` too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp
from scipy.sparse import dok_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
HARNESS, BUILDER = "cambrian_eval", "cvbench_builder"
CONTRACTS, PUBLIC = "contracts", "public names"
WIDTH = 98
SHOWN = re.compile(r"(<!-- tools/architecture\.py -->\n```text\n).*?(^```$)", re.S | re.M)

Arrows = Mapping[tuple[str, str], int]
"""(importer, imported) -> number of import statements."""


def part(module: str) -> str:
    """The part a module belongs to."""
    package, _, rest = module.partition(".")
    if package != HARNESS:
        return package
    if not rest:
        return PUBLIC
    name = rest.split(".")[0]
    if name == "__main__":
        return "cli"
    return name if (ROOT / HARNESS / name).is_dir() else CONTRACTS


def module_arrows(graph: grimp.ImportGraph) -> Arrows:
    """All imports between modules."""
    return {
        (importer, imported): len(graph.get_import_details(importer=importer, imported=imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }


def room_arrows(arrows: Arrows) -> Arrows:
    """All imports that leave a part."""
    found: Counter[tuple[str, str]] = Counter()
    for (importer, imported), n in arrows.items():
        if part(importer) != part(imported):
            found[part(importer), part(imported)] += n
    return found


def circles(arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of names in which every one reaches every other one."""
    pairs = list(arrows)
    names = sorted({name for pair in pairs for name in pair})
    place = {name: i for i, name in enumerate(names)}
    matrix = dok_array((len(names), len(names)), dtype=bool)
    for importer, imported in pairs:
        matrix[place[importer], place[imported]] = True
    _, labels = connected_components(matrix.tocsr(), directed=True, connection="strong")
    groups: dict[int, list[str]] = defaultdict(list)
    for name, label in zip(names, labels, strict=True):
        groups[label].append(name)
    return [group for group in groups.values() if len(group) > 1]


def path_of(module: str) -> Path:
    """The file of a module."""
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def table(modules: Iterable[str], arrows: Arrows) -> list[str]:
    """A line for each part, importers above what they import: files, lines, and the parts it imports from."""
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for module in modules:
        files[part(module)] += 1
        lines[part(module)] += len(path_of(module).read_bytes().splitlines())
    below: dict[str, set[str]] = {name: {b for a, b in arrows if a == name} for name in files}
    order = sorted(files, key=lambda name: (name == BUILDER, -_height(name, below), name))
    shown = [f"{'part':15} {'files':>5} {'lines':>7}  imports from (number of import statements)"]
    for name in order:
        targets = [f"{other} {arrows[name, other]}" for other in order if (name, other) in arrows]
        first = f"{name:15} {files[name]:5} {lines[name]:7,}  "
        text = ", ".join(targets).replace(" ", "\0").replace(",\0", ", ") or "-"  # a count stays beside its part
        wrapped = textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
        shown += [line.replace("\0", " ") for line in wrapped]
    shown.append(f"{'in all':15} {files.total():5} {lines.total():7,}")
    return shown


def _height(name: str, below: Mapping[str, set[str]], above: tuple[str, ...] = ()) -> int:
    """Length of the longest chain of imports that starts at a part; circles are cut."""
    return 1 + max((_height(b, below, (*above, name)) for b in below[name] if b not in (*above, name)), default=-1)


def broken_contracts() -> list[str]:
    """What import-linter reports of broken contracts, line by line; empty where all are kept."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    report = done.stdout.split("Broken contracts\n", 1)[-1] + done.stderr
    return [line for line in report.splitlines() if line.strip(" -")]


def report(modules: Iterable[str], arrows: Arrows) -> tuple[str, bool]:
    """The report as text, and whether everything is in order."""
    between = room_arrows(arrows)
    parts = ["\n".join(table(modules, between))]
    found = {
        "circles between modules": [", ".join(group) for group in circles(arrows)],
        "circles between parts": [", ".join(group) for group in circles(between)],
        "imports against the contracts of .importlinter": broken_contracts(),
    }
    for title, lines in found.items():
        parts.append("\n    ".join([f"{title}:", *lines]) if lines else f"{title}: none")
    return "\n".join([parts[0], "", *parts[1:]]), not any(found.values())


def write(text: str) -> None:
    """Replaces the report in `CONTRIBUTING.md`."""
    path = ROOT / "CONTRIBUTING.md"
    page, count = SHOWN.subn(lambda found: f"{found[1]}{text}\n{found[2]}", path.read_text("utf-8"))
    if count != 1:
        raise SystemExit(f"{path} must have one block that begins with <!-- tools/architecture.py -->")
    path.write_text(page, "utf-8")


def main() -> int:
    """Prints the report; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the report into CONTRIBUTING.md too")
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(HARNESS, BUILDER, cache_dir=None)
    text, in_order = report(graph.modules, module_arrows(graph))
    print(text)
    if chosen.write:
        write(text)
    return 0 if in_order else 1


if __name__ == "__main__":
    sys.exit(main())
