"""What services test themselves with, tried on the notifier."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from heliograph import BusUnavailable, post_save, pre_save
from heliograph.bus import MemoryBus
from heliograph.testing import NotDrained, announce, at_work, drained
from services.notifier.models import Notification
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests import samples


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(deadline=0.2)


@pytest.fixture
def notifier(bus: MemoryBus, sqlite_url: str, tmp_path: Path) -> Notifier:
    settings = NotifierSettings(
        database_url=sqlite_url,
        secret_key=SecretStr("a-key-that-is-only-good-for-tests"),
        image_store_url=(tmp_path / "images").as_uri(),
        smtp_url=(tmp_path / "mail").as_uri(),
    )
    return Notifier(settings, bus)


async def subscribe(notifier: Notifier) -> None:
    async with notifier.database.transaction() as session:
        await SubscriptionRepository(session).add(Wish(email="a@example.com", topic="price_drop"))


async def test_what_is_announced_reaches_the_receivers_of_a_service_at_work(
    notifier: Notifier, bus: MemoryBus
) -> None:
    lamp = samples.product(price=Decimal("20.00"))
    cheaper = lamp.model_copy(update={"price": Decimal("15.00"), "version": 2})
    async with at_work(notifier):
        await subscribe(notifier)
        event = await announce(bus, pre_save, cheaper, version=2, original=lamp, created=False)
        await drained(notifier)
        async with notifier.database.reading() as session:
            [told] = await session.scalars(select(Notification))
    assert told.event_id == event.id
    assert event.changes == {"price": {"from": "20.00", "to": "15.00"}}
    assert event.sequence == "000000000002.0000"


async def test_what_is_parked_is_told_with_its_reason(notifier: Notifier, bus: MemoryBus) -> None:
    broken = samples.product(price=Decimal("0.001"))
    async with at_work(notifier):
        await subscribe(notifier)
        before = samples.product(id=broken.id, price=Decimal("1.00"))
        await announce(bus, pre_save, broken, original=before, created=False)
        with pytest.raises(
            NotDrained, match=r"email_price_drop has catalog.product.pre_save parked"
        ):
            await drained(notifier)


async def test_a_deadline_that_passes_names_what_waits(notifier: Notifier, bus: MemoryBus) -> None:
    async with at_work(notifier):
        await announce(bus, post_save, samples.product(), created=True)
        with pytest.raises(NotDrained, match="email_new_product"):
            await drained(notifier, within=-1)


async def test_an_event_that_no_service_takes_is_told(bus: MemoryBus, notifier: Notifier) -> None:
    await notifier.migrate()
    with pytest.raises(
        BusUnavailable, match=r"not every queue took .* catalog\.product\.post_save"
    ):
        await announce(bus, post_save, samples.product(), created=True)
    await notifier.close()
