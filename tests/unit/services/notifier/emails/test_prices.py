from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.emails.prices import minor_price, percentage, price

MINUS = "\N{MINUS SIGN}"


def test_a_price_is_written_as_people_read_it() -> None:
    assert price(Decimal("1299.00"), "EUR") == "1,299.00 EUR"
    assert minor_price(129_900, "EUR") == "1,299.00 EUR"
    assert minor_price(1_299, "JPY") == "1,299 JPY"
    assert minor_price(1_299, "KWD") == "1.299 KWD"


@pytest.mark.parametrize(
    ("old", "new", "fell"),
    [
        (1_999, 1_499, "25 %"),
        (1_000, 875, "13 %"),
        (200, 199, "1 %"),
        (100_000, 99_999, "1 %"),
        (100_000, 1, "99 %"),
        (1_000, 0, "100 %"),
    ],
)
def test_a_percentage_is_rounded_but_never_to_nothing_nor_to_all(
    old: int, new: int, fell: str
) -> None:
    assert percentage(old, new) == MINUS + fell


@given(st.integers(1, 10**15 - 1), st.data())
def test_a_percentage_is_whole_and_near(old: int, data: st.DataObject) -> None:
    new = data.draw(st.integers(0, old - 1))
    told = int(percentage(old, new).removeprefix(MINUS).removesuffix(" %"))
    assert 1 <= told <= 100
    assert (told == 100) == (new == 0)
    assert abs(told * old - 100 * (old - new)) <= old
