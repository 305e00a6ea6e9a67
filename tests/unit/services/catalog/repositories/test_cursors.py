import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.errors import InvalidCursor
from services.catalog.repositories.cursors import read_cursor, write_cursor


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(0, 2**63))
def test_what_was_written_is_read(text: str, number: int) -> None:
    assert read_cursor(write_cursor(text, number), str, int) == (text, number)


@given(st.text())
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(text, str, str, int)


def test_parts_of_another_type_are_refused() -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(write_cursor("a", 1), str, str)
    with pytest.raises(InvalidCursor):
        read_cursor(write_cursor("a"), str, str)
