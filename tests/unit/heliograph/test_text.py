import json
import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from heliograph.text import Line, Text

NAME = TypeAdapter[str](Annotated[str, Line(10)])
NOTE = TypeAdapter[str](Annotated[str, Text(10)])


def test_a_line_comes_back_without_white_space_at_its_ends_and_composed() -> None:
    assert NAME.validate_python(" cafe\u0301 ") == "caf\u00e9"


def test_text_keeps_its_breaks_as_line_feeds() -> None:
    assert NOTE.validate_python(" a\r\nb\rc\t") == " a\nb\nc\t"
    assert NOTE.validate_python("") == ""


@pytest.mark.parametrize(
    "value", ["", "  ", "a" * 11, "a\0", "a\nb", "a\n", "\x7f", "\x85", "\ud800", "\ufb2c" * 5]
)
def test_a_line_refuses_what_would_not_be_kept_as_it_is(value: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(value)


@pytest.mark.parametrize("value", ["a" * 11, "a\0", "\x1b[0m", "\ud800"])
def test_text_refuses_controls_and_surrogates(value: str) -> None:
    with pytest.raises(ValidationError):
        NOTE.validate_python(value)


def test_a_line_may_be_allowed_to_be_empty() -> None:
    assert TypeAdapter[str](Annotated[str, Line(10, empty=True)]).validate_python("  ") == ""


@pytest.mark.parametrize("adapter", [NAME, NOTE])
@given(value=st.text(max_size=12))
def test_the_schema_says_what_is_taken(adapter: TypeAdapter[str], value: str) -> None:
    schema = adapter.json_schema()
    described = len(value) <= schema["maxLength"] and re.fullmatch(schema["pattern"], value)
    try:
        taken = adapter.validate_python(value)
    except ValidationError as error:
        # Only the length after composing is beyond a schema.
        assert not described or error.errors()[0]["type"] == "string_too_long"  # noqa: PT017
    else:
        assert described
        assert adapter.validate_json(json.dumps(taken)) == taken
