"""Tables in a given width: nothing is lost, nothing is cut, and every block says what its rows are."""

from __future__ import annotations

import pytest

from cambrian_eval.cli import aligned

HEAD = ["benchmark", "condition", "score", "difference", "what it is about"]
ROWS = [
    HEAD,
    ["mmvp (synthetic)", "on", "51.3", "+12.0", "pairs with both questions right"],
    ["Vision-Centric (partial, 4 of 4)", "off", "8.0", "-1.0", "a mean"],
]


@pytest.mark.parametrize("keys", [1, 2])
@pytest.mark.parametrize("width", [62, 70, 90, 120])
def test_every_word_is_shown_once_and_no_line_passes_the_width(width: int, keys: int) -> None:
    lines = aligned.lines(ROWS, (2, 3), width, keys)
    assert max(map(len, lines)) <= width
    blocks = lines.count("") + 1
    words = " ".join(lines).split()
    for row in ROWS:
        for j, cell in enumerate(row):
            for word in cell.split():
                same = sum((blocks if k < keys else 1) * c.split().count(word) for r in ROWS for k, c in enumerate(r))
                assert words.count(word) == same, (word, j)
    heads = [line for line in lines if line.startswith("benchmark")]
    assert len(heads) == blocks and all("condition" in head for head in heads if keys == 2)


def test_text_is_wrapped_inside_its_column_before_columns_are_split() -> None:
    rows = [["name", "n", "about"], ["a", "10", "one two three four five six seven"], ["b", "2", "x"]]
    assert aligned.lines(rows, (1,), 34) == [
        "name   n  about",
        "a     10  one two three four five",
        "          six seven",
        "b      2  x",
    ]


def test_without_a_width_every_row_is_a_line() -> None:
    assert [line.split("  ")[0].strip() for line in aligned.lines(ROWS)] == [row[0] for row in ROWS]
