"""MME's own evaluation tool: a folder with `CATEGORY.txt`; image, question, gold and response between tabs.

The tool reads yes or no in the first four characters of a response; `official` has its rule where a log comes from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from cambrian_eval.data.jsonl import read_text
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source


class MmeTool(Format):
    """A file for each category."""

    name = "mme_tool"
    summary = "MME's tool, a folder of CATEGORY.txt with image, question, gold and response between tabs"
    settings: ClassVar[Mapping[str, Mapping[str, str]]] = {"mme": {"rule": "tool"}}

    def recognizes(self, source: Source) -> bool:
        """A folder of such files, or one of them; gold answers are yes or no."""
        files = sorted(source.path.glob("*.txt")) if source.path.is_dir() else [source.path]
        if not files or any(file.suffix != ".txt" for file in files):
            return False
        line = read_text(files[0]).split("\n", 1)[0].rstrip("\r").split("\t")
        return len(line) >= 4 and line[2].strip().lower() in ("yes", "no")

    def read(self, source: Source) -> Iterator[Entry]:
        """Files by name, their lines in order."""
        for file in sorted(source.path.glob("*.txt")) if source.path.is_dir() else [source.path]:
            for number, line in enumerate(read_text(file).split("\n"), 1):
                if not line.strip():
                    continue
                cells = line.rstrip("\r").split("\t", 3)
                if len(cells) < 4:
                    raise UserError(f"{file} line {number} has {len(cells)} cells, not four; fix the line")
                image, question, gold, response = cells
                yield Entry(
                    f"{file} line {number}",
                    response,
                    question=question,
                    gold=(gold.strip(),),
                    image=image,
                    category=file.stem,
                )

    def model(self, source: Source) -> str | None:
        """The folder's name, as the tool has it."""
        return source.path.name if source.path.is_dir() else None


FORMAT = MmeTool()
