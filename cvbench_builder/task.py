"""The contract of a task: everything the builder asks about a kind of question.

A task is one module in `tasks/` (or a third party's module, registered as an entry point of the group
`cvbench_builder.tasks`) with an object `TASK` of a subclass of `Task`. Nothing else lists the tasks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from hashlib import blake2b
from typing import Any, ClassVar, Literal

from cvbench_builder.candidates import CandidateTable, Pick, Reason, names_of, new_table
from cvbench_builder.catalog import Catalog
from cvbench_builder.settings import BuildSettings, Rules

EXTRA = "extra"
"""The `type` of rows that are not part of CV-Bench."""
Row = dict[str, Any]
Prior = tuple[tuple[str, ...], str]
"""A group of questions for which a guesser could learn a habit, and the answer within the group."""


@dataclass(frozen=True)
class Profile:
    """What sampling looks at in a candidate; the fields are those of `Pick`."""

    cell: str
    classes: tuple[str, ...]
    answer: str
    shortcuts: tuple[bool, ...] = ()


@dataclass
class SampledRows:
    """The sampled candidates of one task."""

    picks: list[Pick]
    shortfalls: dict[str, tuple[int, int]]
    """Cell -> (wanted, got), where got is less."""
    lacking: str = ""
    """What the rows that are missing would have to show, so that no clue gives the answers away."""


@dataclass(frozen=True)
class Candidate:
    """One candidate: a row of a table, and its key."""

    catalog: Catalog
    table: CandidateTable
    row: int
    key: str


@dataclass(frozen=True)
class Wording:
    """A candidate in words."""

    question: str
    choices: list[str]
    place: int
    """Which of the choices is the answer; without meaning if there are no choices."""
    classes: tuple[str, ...]
    """Class names in the order of the question."""
    boxes: list[dict[str, Any]]
    tightness: float
    """How far above its threshold the smallest margin lies; 1: exactly at the threshold."""
    target_class: str | None = None
    target_size: int | None = None
    number: str | None = None
    """The answer of a question without choices."""


class Task(ABC):
    """One kind of question. Methods with a body are defaults that a task may override."""

    name: ClassVar[str]
    order: ClassVar[int]
    """Position among the tasks, in rows and listings."""
    kind: ClassVar[Literal["2D", "3D"]]
    rows: ClassVar[int]
    """Rows of the published set; of a task that is not in it, the rows that are built by default."""
    extra: ClassVar[bool] = False
    """Not part of CV-Bench: built only if `--task` names it, and kept in a set of its own, `cvbench_extra`."""
    sources: ClassVar[tuple[str, ...]]
    """Sources (2D) or Omni3D components (3D) of the published rows."""
    rules: ClassVar[tuple[type[Rules], ...]]
    """Groups of rules that the task uses, beside the common ones."""
    roles: ClassVar[tuple[str, ...]]
    """Roles of the objects of a candidate, in the order of the question."""
    margins: ClassVar[tuple[str, ...]]
    """Names of the margin columns."""
    own_reasons: ClassVar[type[IntFlag] | None] = None
    """Reasons for rejection that only this task has, from `OWN_REASONS` up."""
    flags: ClassVar[type[IntFlag] | None] = None
    """Properties of valid candidates; rows carry their names."""
    rows_per_image: ClassVar[int] = 1
    limits_classes: ClassVar[bool] = False
    """Whether `class_share` limits the rows about one class (the first of the question)."""
    limits_pairs: ClassVar[bool] = True
    """Whether `pair_share` limits the rows about one pair of classes (the last two of the question)."""
    prior_name: ClassVar[str] = "pair prior"
    """Name of the audit's baseline that guesses the usual answer of a class or pair."""
    free_answer: ClassVar[str] = ""
    """What a reviewer may enter instead of an option; empty: only options. `number` is known to the review page."""

    @property
    def row_type(self) -> str:
        """The `type` column, which also says in which set the rows are."""
        return EXTRA if self.extra else self.kind

    # ---- candidates

    def applies(self, catalog: Catalog) -> bool:
        """Whether questions can be made from this source."""
        return (catalog.source == "Omni3D") == (self.kind == "3D")

    @abstractmethod
    def candidates(self, catalog: Catalog, settings: BuildSettings) -> Iterator[CandidateTable]:
        """Every candidate in image order, the rejected ones with their reasons."""

    def table(self, n: int, **columns: Any) -> CandidateTable:
        """A table of `n` candidates of this task; see `new_table`."""
        return new_table(n, len(self.roles), len(self.margins), **columns)

    def complete(self, catalog: Catalog, table: CandidateTable) -> CandidateTable:
        """The table with the margins that are too expensive to compute for every candidate."""
        return table

    def identity(self, catalog: Catalog, table: CandidateTable, row: int) -> list[str]:
        """What distinguishes a candidate from the others of its image."""
        return [str(catalog.object_id[o]) for o in table.objects[row].tolist() if o >= 0]

    def key(self, catalog: Catalog, table: CandidateTable, row: int) -> str:
        """The identity of a question: what is asked about which objects of which image, without the seed."""
        return self._digest("cvbench", catalog, table, row, 12)

    def hashes(self, catalog: Catalog, table: CandidateTable, seed: int) -> list[str]:
        """The hash of each candidate, by which they are sampled."""
        return [self._digest(str(seed), catalog, table, row, 16) for row in range(len(table))]

    def _digest(self, salt: str, catalog: Catalog, table: CandidateTable, row: int, size: int) -> str:
        image = str(catalog.image_id[table.image[row]])
        parts = (salt, self.name, catalog.name, catalog.split, image, *self.identity(catalog, table, row))
        return blake2b("\x1f".join(parts).encode(), digest_size=size).hexdigest()

    def reason_names(self, reasons: int, flags: int) -> list[str]:
        """The names of a rejected candidate's reasons."""
        return names_of(reasons, Reason) + (names_of(reasons, self.own_reasons) if self.own_reasons else [])

    def flag_names(self, flags: int) -> list[str]:
        """The names of a valid candidate's flags."""
        return names_of(flags, self.flags) if self.flags else []

    def describe_rejected(self, catalog: Catalog, table: CandidateTable, row: int) -> dict[str, Any]:
        """What `candidates.jsonl` says about a rejected candidate beside its reasons."""
        objects = [o for o in table.objects[row].tolist() if o >= 0]
        about: dict[str, Any] = {
            "classes": catalog.class_names(objects),
            "object_ids": catalog.object_id[objects].tolist(),
        }
        if len(objects) > 1:
            about["margins"] = self.margin_values(table, row)
        return about

    def margin_values(self, table: CandidateTable, row: int) -> dict[str, float]:
        """The known margins of a candidate by name."""
        return {n: v for n, v in zip(self.margins, table.margins[row].tolist(), strict=True) if math.isfinite(v)}

    # ---- sampling

    @abstractmethod
    def profile(self, catalog: Catalog, table: CandidateTable, row: int) -> Profile:
        """What sampling looks at."""

    @abstractmethod
    def quotas(self, total: int, sources: Sequence[str], settings: BuildSettings) -> dict[str, int]:
        """Wanted rows per cell; the cells are those of `profile`."""

    @abstractmethod
    def priors(self, classes: tuple[str, ...], answer: str) -> list[Prior]:
        """The habits that a guesser could learn; within each group the answers are balanced."""

    def answer_share(self, settings: BuildSettings) -> float | None:
        """Largest share of one answer within a group of `priors`; None: two answers, equally often."""
        return None

    def shortcut_share(self, settings: BuildSettings) -> float | None:
        """Largest share of rows that one of the `shortcuts` solves, or fails; None: no limit."""
        return None

    def unbalanced(self, taken: dict[str, list[Pick]], settings: BuildSettings) -> list[Pick]:
        """Rows that go because a related cell has too few; only where quotas apply."""
        return []

    def excess(self, picks: list[Pick], settings: BuildSettings) -> list[Pick]:
        """Rows above a share that holds for every preset."""
        return []

    def sides(self, pick: Pick) -> list[tuple[str, int]]:
        """The groups in which a guesser could learn a habit or follow a clue, each with the side of this candidate.

        `--balance` evens them out; a group's name says what the clue is, as messages print it.
        """
        return []

    def choose(
        self,
        picks: list[Pick],
        sources: Sequence[str],
        settings: BuildSettings,
        permits: Callable[[Pick], bool],
        take: Callable[[Pick], None],
    ) -> SampledRows | None:
        """Balanced rows that the task samples itself, from picks in hash order; None: by its `sides`.

        `permits` says whether the limits on images and classes admit a pick, `take` counts it.
        """
        return None

    # ---- questions

    def letter_group(self, catalog: Catalog) -> str:
        """Rows within which the answer takes every letter equally often."""
        return catalog.name

    def option_count(self, table: CandidateTable, row: int, key: str, settings: BuildSettings) -> int:
        """The number of options, known before the question is put into words."""
        return 2

    def joint_options(self, picks: list[Pick], keys: list[str], settings: BuildSettings) -> list[list[int] | None]:
        """Options that are balanced over all rows of a build, one entry per row; None: each row has its own."""
        return [None] * len(picks)

    @abstractmethod
    def ask(
        self, candidate: Candidate, place: int, settings: BuildSettings, options: list[int] | None = None
    ) -> Wording:
        """The question. `place` is where its answer should stand; `options` comes from `joint_options`."""

    # ---- rows

    @abstractmethod
    def classes_in(self, row: Row) -> list[str]:
        """The class names of a row that does not carry them, such as a published one, from its question."""

    def mirrored_answer(self, row: Row) -> str:
        """The answer about the image flipped left to right."""
        return str(row["answer"])

    def free_option(self, answer: str) -> str | None:
        """The option that a reviewer entered freely; None: it is not permitted."""
        return None

    def new_choices(self, row: Row, answer: str, settings: dict[str, Any]) -> list[str]:
        """The options around a free answer; `settings` are those of the build."""
        return list(row["choices"])

    def redrawn(self, rows: list[Row]) -> list[tuple[list[str], int]] | None:
        """New options for rows of this task, each with the place of the answer, that do not give the answers away.

        None where options cannot be drawn from the answer alone.
        """
        return None

    # ---- audit

    def prior_keys(self, row: Row) -> list[tuple[str, ...]]:
        """What a guesser's habit may depend on, most specific first."""
        return [("pair", *sorted(row["classes"][-2:]))]

    def lessons(self, row: Row, answer: str) -> list[Prior]:
        """What a guesser learns from a row."""
        return [(key, answer) for key in self.prior_keys(row)]
