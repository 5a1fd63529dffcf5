"""Thoughts of a transformers model: the switch of its chat template, and separate limits for thought and answer.

A template declares its switch as a variable (`enable_thinking` and its like). Whether a variable is a switch is found
by rendering with both values: it is one if the prompt changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cambrian_eval.decoding import Thinking
from cambrian_eval.models.sampling import cut_at_stop
from cambrian_eval.models.transformers_vlm.chat_template import render
from cambrian_eval.scoring.thoughts import MARKS, bare

if TYPE_CHECKING:
    import torch

_ABOUT = re.compile(r"think|thought|reason")
"""In the name of a variable that has to do with thinking, such as `enable_thinking`, `thinking` or `no_think`."""
_NEGATED = re.compile(r"^(?:no|not|disable|skip|without|hide)_|_(?:disabled|off)$")
"""In the name of a variable that is true where a model does not think."""
_NO_SWITCH = re.compile(r"content|effort|budget|tokens|format|prompt")
"""In the name of a variable that holds text or a number."""
BUDGET = "thinking_budget"
"""The variable by which a template tells a model its budget."""
_GIVEN = {"messages", "add_generation_prompt", "tools", "documents", "raise_exception", "strftime_now", "namespace"}
_BLOCK = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
TAIL = 24
"""How many last tokens are searched for the end of a thought; marks are shorter."""


def variables(template: str | None) -> frozenset[str]:
    """The variables that a template reads beyond those that every chat has; none where it cannot be parsed."""
    import jinja2
    import jinja2.meta

    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])  # only parsed, never rendered here
    try:
        found = jinja2.meta.find_undeclared_variables(environment.parse(_BLOCK.sub("", template or "")))
    except jinja2.TemplateError:
        return frozenset()
    return frozenset(name for name in found - _GIVEN if not name.endswith("_token"))


@dataclass(frozen=True)
class Switch:
    """How a template is told to think or not to think."""

    values: Mapping[bool, Mapping[str, Any]]
    """Variables for thinking (True) and for not thinking (False); absent where that cannot be chosen."""
    reason: str
    """Why one of the two cannot be chosen."""
    budget: bool = False
    """Whether the template tells the model its budget."""

    @property
    def honoured(self) -> frozenset[str]:
        """The names of what can be chosen, as in `Model.decodes`."""
        return frozenset(f"thinking_{'on' if mode else 'off'}" for mode in self.values)

    def variables(self, thinking: Thinking) -> dict[str, Any]:
        """The variables of the template for a request."""
        found = {} if thinking.mode == "auto" else dict(self.values[thinking.mode == "on"])
        return found | ({BUDGET: thinking.budget} if self.budget and thinking.budget is not None else {})


def switch_of(processor: Any, content: Any) -> Switch:
    """The switch of a processor's template, tried on a message."""
    declared = variables(processor.chat_template)
    budget = BUDGET in declared
    found = [name for name in sorted(declared) if _ABOUT.search(name) and not _NO_SWITCH.search(name)]
    on, off = ({name: mode != bool(_NEGATED.search(name)) for name in found} for mode in (True, False))
    if found and render(processor, content, variables=on) != render(processor, content, variables=off):
        return Switch({True: on, False: off}, "", budget)
    if opened_by(render(processor, content)) is not None:
        return Switch({True: {}}, "its chat template always begins a thought", budget)
    named = ", ".join(sorted(declared)) or "none"
    return Switch({}, f"its chat template declares no switch for thinking (its variables: {named})", budget)


def opened_by(prompt: str) -> str | None:
    """The mark that ends a thought which the prompt begins; None where it begins none."""
    end = prompt.rstrip().casefold()
    return next((m.closing for m in MARKS if m.opening and not m.answer and end.endswith(m.opening.casefold())), None)


def may_think(processor: Any) -> bool:
    """Whether a model may think before it answers: its template or its added tokens have the mark of a thought."""
    known = [*processor.tokenizer.get_added_vocab(), processor.chat_template or ""]
    marks = [m.closing.casefold() for m in MARKS if not m.answer]
    return any(mark in text.casefold() for text in known for mark in marks)


@dataclass
class Progress:
    """One response while it is generated: where its thoughts end, and when a limit is reached.

    `closing` is the mark that ends the present thought; None outside thoughts.
    """

    answer_limit: int
    thought_limit: int
    closing: str | None
    stops: tuple[str, ...] = ()
    ids: list[int] = field(default_factory=list)
    start: int = 0
    """Number of ids up to the end of the last thought."""
    rest: str = ""
    """Text of the answer that the last token of the thought has already."""
    thinks: bool = False
    ended: Literal["length", "unfinished_thought", "stop"] | None = None
    """How it ends, once a limit or a stop text is reached."""
    _may_open: bool = True

    def __post_init__(self) -> None:
        self.thinks = self.closing is not None

    def add(self, token: int, tokenizer: Any) -> None:
        """One more token, which is not the end of the response."""
        self.ids.append(token)
        if self.closing is not None:
            self._think(tokenizer)
        elif self._may_open:
            self._look_for_thought(tokenizer)
        if self.closing is not None:
            if self.ended is None and len(self.ids) >= self.thought_limit:
                self.ended = "unfinished_thought"
        elif len(self.ids) - self.start >= self.answer_limit:
            self.ended = "length"
        if self.stops and self.closing is None:
            first = max(self.start, len(self.ids) - TAIL - max(map(len, self.stops)))
            if cut_at_stop(tokenizer.decode(self.ids[first:], skip_special_tokens=True), self.stops) is not None:
                self.ended = "stop"

    def follow(self, ids: Sequence[int], ends: frozenset[int], tokenizer: Any) -> None:
        """The tokens of a whole response, up to its end or to where a limit is reached."""
        for token in ids:
            if token in ends or self.ended is not None:
                return
            self.add(token, tokenizer)

    def _think(self, tokenizer: Any) -> None:
        tail = tokenizer.decode(self.ids[max(self.start, len(self.ids) - TAIL) :], skip_special_tokens=False)
        at = tail.casefold().find(str(self.closing).casefold())
        if at >= 0:
            self.rest, self.start = tail[at + len(str(self.closing)) :], len(self.ids)
            self.closing, self._may_open = None, not self.rest.strip()

    def _look_for_thought(self, tokenizer: Any) -> None:
        text = tokenizer.decode(self.ids[self.start :], skip_special_tokens=False).lstrip().casefold()
        for mark in MARKS:
            if mark.opening and not mark.answer and text.startswith(mark.opening.casefold()):
                self.closing, self.thinks = mark.closing, True
                return
        self._may_open = any(m.opening.casefold().startswith(text) for m in MARKS if m.opening and not m.answer)

    def answer(self, tokenizer: Any) -> str:
        """The text after the last thought."""
        if self.closing is not None:
            return ""
        return self.rest + str(tokenizer.decode(self.ids[self.start :], skip_special_tokens=True))

    def thoughts(self, tokenizer: Any) -> str:
        """The text of the thoughts, without marks at their ends."""
        ids = self.ids if self.closing is not None else self.ids[: self.start]
        text = str(tokenizer.decode(ids, skip_special_tokens=False))
        return bare(text.removesuffix(self.rest) if self.rest else text)


class Limits:
    """A stopping criterion of transformers that ends each row of a batch by its own progress."""

    def __init__(self, rows: Sequence[Progress], ends: frozenset[int], tokenizer: Any) -> None:
        self.rows, self.ends, self.tokenizer = rows, ends, tokenizer
        self.done = [False] * len(rows)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
        """Which rows end with their newest token."""
        import torch

        for i, (row, token) in enumerate(zip(self.rows, input_ids[:, -1].tolist(), strict=True)):
            if not self.done[i]:
                if token in self.ends:
                    self.done[i] = True
                else:
                    row.add(token, self.tokenizer)
                    self.done[i] = row.ended is not None
        return torch.tensor(self.done, device=input_ids.device)
