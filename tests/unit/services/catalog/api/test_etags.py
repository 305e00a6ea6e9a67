import pytest

from services.catalog.api.etags import etag, is_current, is_known


@pytest.mark.parametrize(
    ("header", "current"),
    [
        (None, True),
        ("*", True),
        ('"3"', True),
        ('"1", "3"', True),
        ('"1","3"', True),
        ('W/"3"', False),
        ('"13"', False),
        ("3", False),
        ('"3', False),
        ("", False),
    ],
)
def test_if_match_compares_strongly(header: str | None, current: bool) -> None:  # noqa: FBT001
    assert is_current(header, etag(3)) is current


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("*", True),
        ('"3"', True),
        ('W/"3"', True),
        ('W/"1", W/"3"', True),
        ('"13"', False),
        ("3", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, known: bool) -> None:  # noqa: FBT001
    assert is_known(header, etag(3)) is known
