"""What digests tell of: lower prices as they are now, and new products."""

from typing import Any

import pytest

from services.notifier.repositories.occasions import CANDIDATES
from services.notifier.repositories.subscriptions import Wish
from services.notifier.service import Notifier
from tests.integration.services.notifier.digested import (
    DAY,
    HOUR,
    costing,
    created,
    lowered,
    made,
    shown,
    wish,
    wish_all,
)
from tests.samples import product

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture(params=["all", "one"])
def watched(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A product and who wants to hear of its price: of all products, or of this one."""
    lamp = product(name="Lamp")
    return {"lamp": lamp, "wish": {} if request.param == "all" else {"product_id": lamp.id}}


async def test_a_drop_counts_from_before_the_first_of_the_period(
    notifier: Notifier, watched: dict[str, Any]
) -> None:
    lamp = watched["lamp"]
    await lowered(notifier, lamp, "60", "50", -2 * DAY)
    await lowered(notifier, lamp, "50", "40", -3 * HOUR)
    await lowered(notifier, lamp, "45", "35", -2 * HOUR)
    await wish(notifier, ADA, "price_drop", **watched["wish"])
    [told] = await made(notifier)
    assert (told.items, told.old, told.more) == ([lamp.id], [5000], 0)


async def test_a_price_that_is_back_up_is_not_told(
    notifier: Notifier, watched: dict[str, Any]
) -> None:
    lamp = watched["lamp"]
    await lowered(notifier, lamp, "50", "40")
    await shown(notifier, costing(lamp, "50"))
    await wish(notifier, ADA, "price_drop", **watched["wish"])
    assert await made(notifier) == []


async def test_a_product_that_is_gone_is_not_told(
    notifier: Notifier, watched: dict[str, Any]
) -> None:
    lamp = watched["lamp"]
    await lowered(notifier, lamp, "50", "40")
    await shown(notifier, lamp, gone=True)
    await wish(notifier, ADA, "price_drop", **watched["wish"])
    gone = await created(notifier)
    await shown(notifier, gone, gone=True)
    await wish(notifier, ADA)
    assert await made(notifier) == []


async def test_a_drop_in_another_currency_than_now_is_not_told(
    notifier: Notifier, watched: dict[str, Any]
) -> None:
    lamp = watched["lamp"]
    await lowered(notifier, lamp, "50", "40", -3 * HOUR)
    dollars = costing(lamp, "30", "USD")
    await shown(notifier, dollars)
    await wish(notifier, ADA, "price_drop", since=-DAY, due=-2 * HOUR, **watched["wish"])
    assert await made(notifier) == []
    await lowered(notifier, dollars, "30", "25", -HOUR)
    await wish(notifier, BOB, "price_drop", **watched["wish"])
    [told] = await made(notifier)
    assert (told.items, told.old) == ([lamp.id], [3000])


@pytest.mark.parametrize(
    ("drops", "now", "old"),
    [
        ([("50", "40")], "40", 5000),
        ([("50", "41")], "41", None),  # not crossed
        ([("39", "35")], "35", None),  # it was below before
        ([("50", "40")], "42", None),  # above it again
        ([("60", "50"), ("50", "40")], "38", 5000),
        ([("39", "35"), ("60", "38")], "38", 6000),
    ],
)
async def test_a_target_is_told_if_a_drop_crossed_it_and_it_is_met_now(
    notifier: Notifier, drops: list[tuple[str, str]], now: str, old: int | None
) -> None:
    lamp = product(name="Lamp")
    for old_price, new_price in drops:
        await lowered(notifier, lamp, old_price, new_price)
    await shown(notifier, costing(lamp, now))
    wanted: dict[str, Any] = {"product_id": lamp.id, "target_minor": 4000}
    await wish(notifier, ADA, "price_drop", currency="EUR", **wanted)
    await wish(notifier, BOB, "price_drop", currency="USD", **wanted)
    told = [(each.email, each.items, each.old) for each in await made(notifier)]
    assert told == ([(ADA, [lamp.id], [old])] if old else [])


async def test_each_product_stands_once_by_its_greatest_drop_before_what_is_new(
    notifier: Notifier,
) -> None:
    older, newest, both = [await created(notifier, at * HOUR) for at in (-3, -1, -2)]
    await lowered(notifier, both, "20", "15")
    half = product()
    await lowered(notifier, half, "10", "6", -2 * HOUR)
    await lowered(notifier, half, "8", "5")
    await wish(notifier, ADA)
    await wish(notifier, ADA, "price_drop")
    await wish(notifier, ADA, "price_drop", product_id=half.id)
    target: dict[str, Any] = {"target_minor": 550, "currency": "EUR"}
    await wish(notifier, ADA, "price_drop", product_id=half.id, **target)
    await wish(notifier, ADA, "new_product", product_id=older.id)
    [told] = await made(notifier)
    assert told.items == [half.id, both.id, newest.id, older.id]
    assert told.old == [1000, 2000, None, None]
    assert told.more == 0


async def test_many_are_as_many_as_are_looked_at_again_and_a_count(notifier: Notifier) -> None:
    new = [await created(notifier, -HOUR + each) for each in range(CANDIDATES + 4)]
    await wish(notifier, ADA)
    await wish(notifier, BOB, "price_drop")
    for place, each in enumerate(new):
        await lowered(notifier, each, "100", str(50 + place))
    ada, bob = await made(notifier)
    assert ada.items == [each.id for each in reversed(new)][:CANDIDATES]
    assert bob.items == [each.id for each in new][:CANDIDATES]
    assert (ada.more, bob.more) == (4, 4)


async def test_a_thousand_watched_products_are_one_digest(notifier: Notifier) -> None:
    products = [product() for _ in range(1_000)]
    wanted = [Wish(email=ADA, topic="price_drop", product_id=each.id) for each in products]
    await wish_all(notifier, *wanted)
    for place, each in enumerate(products[:50]):
        await lowered(notifier, each, "100", str(40 + place))
    [told] = await made(notifier)
    assert told.items == [each.id for each in products[:CANDIDATES]]
    assert told.more == 50 - CANDIDATES
