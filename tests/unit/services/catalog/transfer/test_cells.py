import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.transfer.cells import guarded, unguarded

ANY = st.text() | st.text(alphabet="'=+-@\t\r\n a\N{FULLWIDTH EQUALS SIGN}\N{NO-BREAK SPACE}")


@given(cell=ANY)
def test_every_text_comes_back_from_its_guard(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell


@given(cell=ANY)
def test_no_guarded_cell_begins_as_a_formula_does(cell: str) -> None:
    assert not guarded(cell).lstrip().startswith(tuple("=+-@\N{FULLWIDTH EQUALS SIGN}"))
    assert not guarded(cell).startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-5 °C", "'-5 °C"),
        ("@home", "'@home"),
        ("\tx", "'\tx"),
        (" =1", "' =1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("''", "''"),
        ("Lamp", "Lamp"),
        ("", ""),
    ],
)
def test_only_what_would_run_or_looks_guarded_has_an_apostrophe_more(
    cell: str, written: str
) -> None:
    assert guarded(cell) == written
    assert unguarded(written) == cell
