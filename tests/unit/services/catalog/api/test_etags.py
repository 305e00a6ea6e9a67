import pytest

from services.catalog.api.etags import etag, is_current, is_known

MALFORMED = [
    "3",
    '"3',
    '3"',
    "'3'",
    '"1, "3"',
    '"1" "3"',
    '"3"x',
    'x"3"',
    'w/"3"',
    'W/ "3"',
    'W/W/"3"',
    '"3";a',
    '"3""3"',
    '" 3"',
    '"x,"3"',
]


@pytest.mark.parametrize(
    ("header", "current"),
    [
        (None, True),
        (["*"], True),
        ([" *\t"], True),
        (['"3"'], True),
        (['"1", "3"'], True),
        (['"1","3"'], True),
        (['"1"', '"3"'], True),
        (['"1", "2"', ', ,"3" , '], True),
        (['"1,2", "3"'], True),
        (['W/"3"'], False),
        (['"13"'], False),
        ([""], False),
        (["*", '"1"'], False),
        *(([each], False) for each in MALFORMED),
    ],
)
def test_if_match_compares_strongly(
    header: list[str] | None,
    current: bool,  # noqa: FBT001
) -> None:
    assert is_current(header, etag(3)) is current


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        (["*"], True),
        (['"3"'], True),
        (['W/"3"'], True),
        (['W/"1", W/"3"'], True),
        (['"x"', 'W/"3"'], True),
        (["x", '"3"'], True),
        (['"13"'], False),
        ([""], False),
        (["*, *"], False),
        *(([each], False) for each in MALFORMED),
    ],
)
def test_if_none_match_compares_weakly(
    header: list[str] | None,
    known: bool,  # noqa: FBT001
) -> None:
    assert is_known(header, etag(3)) is known


def test_a_comma_within_a_tag_parts_nothing() -> None:
    assert is_current(['"a,b"'], etag("a,b"))
    assert not is_current(['"a,b"'], etag("b"))
