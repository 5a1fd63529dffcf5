"""The scenes that adapters draw their own miniature rows with, by name."""

from __future__ import annotations

from collections.abc import Callable

from cambrian_eval.demo.miniature import diagrams, places, shapes, words
from cambrian_eval.demo.miniature.sampling import Sampler, Template
from cambrian_eval.errors import unknown


def _counted(sampler: Sampler) -> Template:
    return shapes.count_of(sampler, tuple(str(n) for n in range(1, 10)), distractors=False)


def _relation(sampler: Sampler) -> Template:
    sides = ("left", "right", "above", "below")
    return shapes.relation(
        sampler, sides, "Where is the {a} relative to the {b}?", claim="The {a} is {value} of the {b}."
    )


def _side(sampler: Sampler) -> Template:
    question = "Is the {a} on the left or on the right side of the {b}?"
    return shapes.relation(sampler, ("left", "right"), question, claim="Is the {a} on the {value} side of the {b}?")


SCENES: dict[str, Callable[[Sampler], Template]] = {
    "bigger": shapes.bigger,
    "color": shapes.color_of,
    "corner": shapes.where_is,
    "count": _counted,
    "letter": diagrams.letter_of_part,
    "listed": lambda sampler: words.word(sampler),
    "mood": places.mood,
    "place": places.place,
    "poster": words.poster,
    "presence": shapes.presence,
    "relation": _relation,
    "shape": shapes.shape_of,
    "side": _side,
    "word": lambda sampler: words.word(sampler),
}
"""Name -> what makes a question of that kind."""


class Painter(Sampler):
    """A sampler that knows the scenes: what adapters get as `Artist`."""

    def scene(self, name: str) -> Template:
        """A question about the scene of that name."""
        if name not in SCENES:
            raise unknown("scene", name, SCENES)
        return SCENES[name](self)
