"""JSON from outside is parsed within bounds; what is wrong is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import MAX_DEPTH, parse, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_valid_json_is_read_as_it_is(value: object) -> None:
    assert parse(json.dumps(value), "here") == value


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_anything_else_is_a_value_or_one_line(text: str | bytes) -> None:
    try:
        parse(text, "here")
    except UserError as error:
        assert str(error).startswith("here is ") and "\n" not in str(error).replace(repr(text), "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "nested|not valid"),
        ("[" * 200_000 + "]" * 200_000, "nested"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' occurs twice"),
        ("1" * 5000, "not valid JSON"),
        (b"\xff\xfe{", "not UTF-8|not valid"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_bounds(text: str | bytes, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse(text, "here")


def test_nesting_up_to_the_bound_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, "here") is not None


def test_files(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match=r"list\.json is not a JSON object"):
        read_object(tmp_path / "list.json")
    with pytest.raises(UserError, match="is not a file"):
        read_object(tmp_path)
