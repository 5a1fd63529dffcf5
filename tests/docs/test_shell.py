"""The parsing of shell text that the checks of the documentation use."""

from __future__ import annotations

import pytest

from .shell import commands


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("cambrian-eval list  # all of them", [["cambrian-eval", "list"]]),
        ("a \\\n  --b c\nd", [["a", "--b", "c"], ["d"]]),
        ("A=1 B='x y' nohup cambrian-eval run > log 2>&1 &", [["cambrian-eval", "run"]]),
        ("srun -n 4 cambrian-eval run | tee log && make x", [["cambrian-eval", "run"], ["tee", "log"], ["make", "x"]]),
        ("f --at $(python -c 'print(1)')/x", [["python", "-c", "print(1)"], ["f", "--at", "SUBSTITUTED/x"]]),
        ("cat > f <<'END'\ncambrian-eval nonsense\nEND\nls", [["cat"], ["ls"]]),
        (
            "for i in 1 2; do cambrian-eval list; done",
            [["for", "i", "in", "1", "2"], ["cambrian-eval", "list"], ["done"]],
        ),
    ],
)
def test_a_script_is_read_as_its_simple_commands(script: str, expected: list[list[str]]) -> None:
    assert [words for _, words in commands(script)] == expected
