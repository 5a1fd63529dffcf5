"""Which recipes there are: those that come with the package, third parties', and files."""

from __future__ import annotations

from pathlib import Path

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.models.recipes.recipe import Recipe, read
from cambrian_eval.registry import recipe_file, recipe_files


def load(text: str) -> Recipe:
    """The recipe of that name, or the one in a file of that name."""
    if (file := recipe_file(text)) is not None:
        return read(file, text)
    path = Path(text).expanduser()
    if path.is_file():
        return read(path)
    if path.suffix == ".toml" or "/" in text:
        raise UserError(f"recipe file {text} does not exist")
    raise unknown("recipe", text, recipe_files())


def all_recipes() -> list[Recipe]:
    """Every recipe that has a name: the default first, then by name."""
    return [read(path, name) for name, path in recipe_files().items()]
