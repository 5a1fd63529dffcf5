"""Prints the table of docs/recipes.md from the recipe files; `--write` puts it into the page.

    python tools/recipes_table.py [--write]

The exit code is 1 where the page has another table and `--write` is not given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cambrian_eval.models.recipes.catalog import all_recipes
from cambrian_eval.models.recipes.recipe import Recipe

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
BEGIN, END = "<!-- tools/recipes_table.py -->\n", "<!-- end of the table -->"
HEAD = ("recipe", "decoding", "thinking", "images and prompts", "sources")


def table() -> str:
    """The recipes as a Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, all_recipes())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(recipe: Recipe) -> tuple[str, ...]:
    written = recipe.written
    decoding = ", ".join(f"{name} {value}" for name, value in written.get("decoding", {}).items())
    thinking = ", ".join(f"{name} {value}" for name, value in written.get("thinking", {}).items())
    more = [f"{name} {value:,}" for name, value in written.get("processor", {}).items()]
    more += ["system prompt"] if recipe.system is not None else []
    more += [str(recipe.order).replace("_", " ")] if recipe.order is not None else []
    more += [f"prompts of {', '.join(recipe.templates)}"] if recipe.templates else []
    sources = "; ".join(f"[{source.document}]({source.url}), {source.date}" for source in recipe.sources)
    return f"`{recipe.name}`", decoding or "-", thinking or "-", ", ".join(more) or "-", sources


def main() -> int:
    """Prints or writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/recipes.md")
    arguments = parser.parse_args()
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if arguments.write:
        PAGE.write_text(page, "utf-8")
        return 0
    print(table(), end="")
    return int(page != PAGE.read_text("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
