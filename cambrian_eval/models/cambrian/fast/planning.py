"""Which questions run together: a bounded window over the stream, and waves of like bundles out of it.

Pulls no more requests than the next two waves need. The oldest bundle leads a wave; those nearest to it in
length join, so that little is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .questions import Bundle, Question, Shown

MOST_PENDING = 512
"""Questions held at a time, however small."""
EXPECTED_ANSWER = 16
"""New tokens that a question is reckoned with beforehand; longer limits are rarely used up."""

MOST_WASTE = 1 / 16
"""Share of a wave that may be padding, once it is large enough to be worth being choosy."""
SMALL_WAVE = 1024


@dataclass(frozen=True)
class Wave:
    """Bundles that run together, and whether their questions are split from a shared prefix."""

    bundles: tuple[Bundle, ...]
    split: bool
    tokens: int


@dataclass(frozen=True)
class Rules:
    """What bounds a wave. With `alone` every question is computed without any neighbour."""

    token_limit: int | None
    width: int
    most_questions: int | None = None
    alone: bool = False


class Window:
    """Questions pulled from the stream and not yet taken into a wave, in bundles, oldest first."""

    def __init__(
        self,
        questions: Iterator[Question],
        visual: Callable[[Shown], int],
        announce: Callable[[Shown], None],
        rules: Rules,
    ) -> None:
        self._questions, self._visual, self._announce, self.rules = questions, visual, announce, rules
        self._bundles: list[Bundle] = []
        self._exhausted = False

    def fill(self, tokens: int) -> None:
        """Pull until two waves of `tokens` positions are at hand, the last bundle not counted: it may grow."""
        most = MOST_PENDING
        if self.rules.most_questions is not None:
            # Never so few that the questions of one image are pulled apart.
            most = min(most, max(64, 2 * self.rules.most_questions + 1))
        while not self._exhausted and self._held < most and self._cost_at_hand < 2 * tokens:
            question = next(self._questions, None)
            if question is None:
                self._exhausted = True
                return
            if question.shown is not None:
                self._announce(question.shown)
            self._add(question)

    def take(self, tokens: int) -> Wave | None:
        """The next wave within `tokens` positions, or None at the end."""
        if not self._bundles:
            return None
        lead = self._bundles[0]
        if self.rules.alone:
            self._bundles.remove(lead)
            has_image = lead.shown is not None and lead.can_split
            return Wave((lead.split_at_image() if has_image else lead,), has_image, self._cost(lead))
        split = len(lead.questions) > 1
        like = [bundle for bundle in self._bundles[1:] if (len(bundle.questions) > 1) == split]
        if len(self._bundles) > 1 and not self._exhausted and like and like[-1] is self._bundles[-1]:
            like.pop()
        like.sort(key=lambda bundle: abs(self._cost(bundle) - self._cost(lead)))
        chosen, widest, filled, asked = [lead], self._cost(lead), self._cost(lead), self._asked(lead)
        for bundle in like:
            cost = self._cost(bundle)
            wider = max(widest, cost)
            padded = wider * (len(chosen) + 1)
            asked += self._asked(bundle)
            most = self.rules.most_questions
            if padded > tokens or (most is not None and asked > most):
                break
            if padded > SMALL_WAVE and filled + cost < (1 - MOST_WASTE) * padded:
                break
            chosen.append(bundle)
            widest, filled = wider, filled + cost
        taken = set(map(id, chosen))
        self._bundles = [bundle for bundle in self._bundles if id(bundle) not in taken]
        return Wave(tuple(chosen), split, widest * len(chosen))

    @property
    def _held(self) -> int:
        return sum(len(bundle.questions) for bundle in self._bundles)

    @property
    def _cost_at_hand(self) -> int:
        return sum(self._cost(bundle) for bundle in self._bundles[:-1])

    def _asked(self, bundle: Bundle) -> int:
        return min(self.rules.width, len(bundle.questions))

    def _cost(self, bundle: Bundle) -> int:
        """Positions that a bundle's row takes when as many of its questions are asked as are at a time."""
        if not bundle.can_split:
            return bundle.prompt_tokens(bundle.questions[0]) + EXPECTED_ANSWER
        sizes = sorted((len(bundle.own_ids(q)) + min(q.limit, EXPECTED_ANSWER) for q in bundle.questions), reverse=True)
        return bundle.prefix_tokens + sum(sizes[: self.rules.width])

    def _add(self, question: Question) -> None:
        if self._bundles and not self._apart and self._bundles[-1].admits(question):
            self._bundles[-1].add(question)
            return
        visual = 0 if question.shown is None else self._visual(question.shown)
        self._bundles.append(Bundle.of(question, visual, self.rules.token_limit))

    @property
    def _apart(self) -> bool:
        """Text-only questions computed without neighbours share nothing that depends on them."""
        return self.rules.alone and self._bundles[-1].shown is None
