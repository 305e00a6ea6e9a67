"""What concerns many is written in parts, and everybody is told once."""

import asyncio

import pytest
from sqlalchemy import func, select

from services.notifier.models import Spread
from services.notifier.repositories import notifications
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.sending.spreader import Spreader
from services.notifier.service import Notifier
from tests.integration.heliograph.conftest import running
from tests.integration.services.notifier.conftest import repriced, subscribe, tell, told
from tests.polling import until
from tests.samples import event, product

PEOPLE = [f"user{number}@example.org" for number in range(7)]


@pytest.fixture(autouse=True)
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction writes two rows."""
    repository = notifications.NotificationRepository
    monkeypatch.setattr(repository.spread, "__defaults__", (2,))


async def left(notifier: Notifier) -> int:
    async with notifier.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Spread)) or 0


async def spread(notifier: Notifier) -> None:
    while await notifier.spreader.spread():
        pass


async def all_are_told_in_parts(notifier: Notifier) -> None:
    assert await told(notifier) == PEOPLE[:2]
    assert await notifier.spreader.spread()
    assert await told(notifier) == PEOPLE[:4]
    await spread(notifier)
    assert await told(notifier) == PEOPLE
    assert await left(notifier) == 0


async def test_everybody_is_told_a_part_at_a_time(notifier: Notifier) -> None:
    for email in PEOPLE:
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))
    await all_are_told_in_parts(notifier)


async def test_who_watches_the_product_comes_first_and_nobody_twice(notifier: Notifier) -> None:
    lamp = product()
    for email in PEOPLE:
        await subscribe(notifier, email, "price_drop")
    for email in PEOPLE[4:]:
        await subscribe(notifier, email, "price_drop", product_id=lamp.id)
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    assert await told(notifier) == PEOPLE[4:6]
    await spread(notifier)
    assert await told(notifier) == PEOPLE


async def test_those_whose_target_is_not_reached_are_looked_at_in_parts_too(
    notifier: Notifier,
) -> None:
    lamp = product()
    await tell(notifier, event(lamp, signal="pre_save", created=True))
    for email in PEOPLE:
        target = 1_500 if email == PEOPLE[-1] else 100
        wish = {"product_id": lamp.id, "target_minor": target, "currency": "EUR"}
        await subscribe(notifier, email, "price_drop", **wish)
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    assert await left(notifier) == 1
    await spread(notifier)
    assert await told(notifier) == PEOPLE[-1:]


async def test_who_waits_for_a_price_is_told_in_parts_at_once_or_by_digest(
    notifier: Notifier,
) -> None:
    lamp = product()
    for place, email in enumerate(PEOPLE):
        wish = {"product_id": lamp.id, "target_minor": 2_000, "currency": "EUR"}
        frequency = ("instant", "daily", "weekly")[place % 3]
        await subscribe(notifier, email, "price_drop", frequency=frequency, **wish)
    await subscribe(notifier, "all@example.org", "price_drop")
    await tell(notifier, event(lamp, signal="pre_save", created=True))
    await all_are_told_in_parts(notifier)


async def test_who_comes_later_is_not_told_and_who_leaves_meanwhile_neither(
    notifier: Notifier,
) -> None:
    tokens = [await subscribe(notifier, email, "new_product") for email in PEOPLE]
    await tell(notifier, event(created=True))
    await subscribe(notifier, "late@example.org", "new_product")
    async with notifier.database.transaction() as session:
        await SubscriptionRepository(session).unsubscribe(tokens[-1])
    await spread(notifier)
    assert await told(notifier) == PEOPLE[:-1]


async def test_two_at_once_write_each_row_once(notifier: Notifier) -> None:
    for email in PEOPLE:
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True), event(created=True))
    spreaders = [Spreader(notifier.database, notifier.mail_bell) for _ in range(2)]
    async with running(*spreaders):
        await until(lambda: _none_left(notifier))
    assert await told(notifier) == sorted(PEOPLE * 2)


async def test_a_part_that_is_cut_off_is_written_again(notifier: Notifier) -> None:
    for email in PEOPLE:
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))

    async def die_over_it() -> None:
        async with notifier.database.transaction() as session:
            row = (await session.scalars(select(Spread))).one()
            await notifications.NotificationRepository(session).spread(row)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await die_over_it()
    await spread(notifier)
    assert await told(notifier) == PEOPLE


async def _none_left(notifier: Notifier) -> bool:
    return not await left(notifier)
