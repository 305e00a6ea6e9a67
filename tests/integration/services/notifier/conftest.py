"""A notifier on an empty, migrated database, its REST API, and what it is told of."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

import contracts
from heliograph import Event
from heliograph.bus import MemoryBus
from heliograph.events import encode, new_id
from services.notifier.models import Notification
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from services.notifier.wishes import Delivery
from tests.integration.heliograph.conftest import running
from tests.polling import until
from tests.samples import event
from tests.services import migrated

KEY = "a key of the tests, long enough for HS256"


@pytest.fixture
async def notifier(database_url: str, tmp_path: Path) -> AsyncIterator[Notifier]:
    settings = NotifierSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url=(tmp_path / "images").as_uri(),
        smtp_url=(tmp_path / "mail").as_uri(),
        mail_from="Shop <news@shop.example>",
        public_url="https://notifier.example",
        settle_seconds=0,
    )
    async with migrated(Notifier(settings, MemoryBus())) as service:
        yield service


@pytest.fixture
async def public(notifier: Notifier) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token."""
    transport = httpx2.ASGITransport(app=notifier.app({"api"}))
    async with httpx2.AsyncClient(transport=transport, base_url="http://notifier") as client:
        yield client


@pytest.fixture
def client(notifier: Notifier, public: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A client with the scope `notifier:admin`."""
    token = notifier.tokens.issue("admin", ["notifier:admin"])
    public.headers["Authorization"] = f"Bearer {token}"
    return public


async def subscribe(
    notifier: Notifier, email: str, topic: Any, *, frequency: Any = None, **wish: Any
) -> str:
    """Subscribe somebody; returns the token of the unsubscribe link."""
    async with notifier.database.transaction() as session:
        wanted = Wish(email=email, topic=topic, **wish)
        delivery = Delivery(frequency=frequency)
        subscription, _ = await SubscriptionRepository(session).add(wanted, delivery)
    return subscription.token


async def tell(notifier: Notifier, *events: Event[Any]) -> None:
    """Let the notifier receive these events from the bus and react to them."""

    async def done() -> bool:
        return all(state != "pending" for _, state in await notifier.inbox.status())

    async with running(notifier.consumer, notifier.worker):
        for each in events:
            assert await notifier.bus.publish([encode(each)])
        await until(done)


async def ledger(notifier: Notifier) -> list[Notification]:
    async with notifier.database.reading() as session:
        return list(await session.scalars(select(Notification).order_by(Notification.id)))


async def told(notifier: Notifier) -> list[str]:
    return sorted(each.email for each in await ledger(notifier))


def repriced(product: contracts.Product, old: str, new: str, **fields: Any) -> Event[Any]:
    """The `pre_save` of a change of price."""
    original = product.model_copy(update={"price": Decimal(old)})
    instance = product.model_copy(update={"price": Decimal(new), "version": 2} | fields)
    return event(
        instance,
        signal="pre_save",
        original=original,
        changes=original.changes_to(instance),
        created=False,
    )


async def sent(notifier: Notifier, email: str, **fields: Any) -> str:
    """Enter an email into the ledger, as one that was sent; returns its Message-ID."""
    row = Notification(
        event_id=new_id(),
        subscription_id=new_id(),
        email=email,
        topic="new_product",
        due_at=datetime.now(UTC),
        created_at=datetime.now(UTC),
        **{"state": "sent"} | fields,
    )
    async with notifier.database.transaction() as session:
        session.add(row)
    return f"<{row.event_id}.{row.subscription_id}@shop.example>"
