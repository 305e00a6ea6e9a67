"""What services test themselves with, tried on the services here."""

import smtplib
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import select

import contracts
from heliograph import BusUnavailable, post_save, pre_delete, pre_save
from heliograph.bus import MemoryBus
from heliograph.database import Unfinished
from heliograph.events import new_id
from heliograph.storage import MemoryImageStore, StoreUnavailable
from heliograph.testing import (
    NotDrained,
    SMTPServer,
    advance,
    announce,
    announced,
    at_work,
    drained,
    unfinished,
)
from services.catalog import models
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.notifier.mail.errors import MailDeferred
from services.notifier.mail.memory import MemoryMailer
from services.notifier.models import Notification, Topic
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests import samples
from tests.integration.services.catalog.conftest import PRODUCT
from tests.polling import until

ADA = "ada@example.com"
KEY = SecretStr("a-key-that-is-only-good-for-tests")


@pytest.fixture
def mailer() -> MemoryMailer:
    return MemoryMailer()


@pytest.fixture
def notifier(
    bus: MemoryBus, sqlite_url: str, image_store: MemoryImageStore, mailer: MemoryMailer
) -> Notifier:
    settings = NotifierSettings(database_url=sqlite_url, secret_key=KEY)
    return Notifier(settings, bus, images=image_store, mailer=mailer)


@pytest.fixture
def catalog(bus: MemoryBus, tmp_path: Path, image_store: MemoryImageStore) -> Catalog:
    url = f"sqlite+aiosqlite:///{tmp_path}/catalog.db"
    return Catalog(CatalogSettings(database_url=url, secret_key=KEY), bus, images=image_store)


@pytest.fixture
async def api(catalog: Catalog) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {catalog.tokens.issue('ada', ['catalog:write'])}"}
    transport = httpx2.ASGITransport(app=catalog.app({"api"}))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://catalog", headers=headers
    ) as client:
        yield client


async def subscribe(notifier: Notifier, topic: Topic = "price_drop") -> None:
    async with notifier.database.transaction() as session:
        await SubscriptionRepository(session).add(Wish(email=ADA, topic=topic))


async def test_what_is_announced_reaches_the_receivers_of_a_service_at_work(
    notifier: Notifier, bus: MemoryBus, mailer: MemoryMailer
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
    assert [each.recipient for each in mailer.sent] == [ADA]


async def test_services_at_work_on_one_bus_are_drained_together(
    catalog: Catalog, notifier: Notifier, api: httpx2.AsyncClient, mailer: MemoryMailer
) -> None:
    async with at_work(catalog, notifier):
        await subscribe(notifier, "new_product")
        product = (await api.post("/v1/products", json=PRODUCT)).json()
        for _ in range(3):
            await api.get(f"/v1/products/{product['id']}")
        await drained(catalog, notifier)
        views = await api.get(f"/v1/products/{product['id']}/views", headers=reader(catalog))
    assert [each.message["subject"] for each in mailer.sent] == ["New: Lamp"]
    assert views.json()["count"] == 3


def reader(catalog: Catalog) -> dict[str, str]:
    return {"Authorization": f"Bearer {catalog.tokens.issue('ada', ['catalog:read'])}"}


async def test_what_a_block_announced_is_what_it_committed(
    catalog: Catalog, api: httpx2.AsyncClient
) -> None:
    async with at_work(catalog):
        with announced(catalog.outbox) as events:
            assert (await api.post("/v1/products", json=PRODUCT)).status_code == 201
            assert (await api.post("/v1/products", json=PRODUCT)).status_code == 409
            async with (
                catalog.database.transaction() as session,
                session.begin_nested() as savepoint,
            ):
                await ProductRepository(session).save(unwanted())
                await savepoint.rollback()
        await api.post("/v1/products", json=PRODUCT | {"sku": "B-2"})
    assert [each.signal for each in events] == ["pre_save", "post_save"]
    saved = events[1]
    assert saved.key == "catalog.product.post_save"
    assert saved.body["created"] is True
    assert saved.sequence == saved.event(contracts.Product).sequence == "000000000001.0001"
    assert saved.event(contracts.Product).instance.name == "Lamp"


def unwanted() -> models.Product:
    return models.Product(
        id=new_id(), sku="undone", name="Lamp", description="", price_minor=1999, currency="EUR",
        images=[], categories=[],
    )  # fmt: skip


async def test_what_is_parked_is_told_with_its_reason(notifier: Notifier, bus: MemoryBus) -> None:
    broken = samples.product(currency="XXX", price=Decimal("0.50"))
    async with at_work(notifier):
        await subscribe(notifier)
        before = samples.product(id=broken.id, currency="XXX", price=Decimal("1.00"))
        await announce(bus, pre_save, broken, original=before, created=False)
        with pytest.raises(
            NotDrained,
            match=r"email_price_drop has catalog.product.pre_save, parked, after 1 attempts: the",
        ):
            await drained(notifier)


async def test_a_deadline_that_passes_names_what_waits(
    catalog: Catalog, notifier: Notifier, api: httpx2.AsyncClient, bus: MemoryBus
) -> None:
    await catalog.migrate()
    await api.post("/v1/products", json=PRODUCT)
    with pytest.raises(NotDrained) as told:
        await drained(catalog, within=-1)
    assert str(told.value).splitlines() == [
        "the outbox has catalog.product.pre_save, not relayed, untried",
        "the outbox has catalog.product.post_save, not relayed, untried",
    ]
    await catalog.close()


async def test_an_event_that_no_service_takes_is_told(notifier: Notifier) -> None:
    bus = MemoryBus(deadline=0.2)
    await bus.declare(notifier.topology)
    with pytest.raises(BusUnavailable, match=r"notifier\.email_new_product did not accept"):
        await announce(bus, post_save, samples.product(), created=True)
    await notifier.close()


async def failed(notifier: Notifier, attempts: int) -> list[Unfinished]:
    left = await unfinished(notifier)
    return [each for each in left if each.attempts == attempts and each.reason]


async def test_emails_are_tried_again_when_their_time_is_said_to_have_come(
    notifier: Notifier, bus: MemoryBus, mailer: MemoryMailer
) -> None:
    mailer.failures[ADA] = MailDeferred("451 Later")

    async with at_work(notifier):
        await subscribe(notifier, "new_product")
        await announce(bus, post_save, samples.product(), created=True)
        for attempts in range(1, 10):
            [waiting] = await until(partial(failed, notifier, attempts))
            assert waiting.reason == "451 Later"
            if attempts < 9:
                await advance(notifier, 300.0)
        mailer.failures.clear()
        await advance(notifier, 300.0)
        await drained(notifier)
    assert [each.recipient for each in mailer.sent] == [ADA]


async def test_time_passes_for_people_who_are_spared_too(
    notifier: Notifier, bus: MemoryBus, mailer: MemoryMailer
) -> None:
    lamp = samples.product(price=Decimal("50.00"))

    async def falls_to(price: str, version: int) -> None:
        nonlocal lamp
        before, lamp = lamp, lamp.model_copy(update={"price": Decimal(price), "version": version})
        await announce(bus, pre_save, lamp, version=version, original=before, created=False)

    async with at_work(notifier):
        await subscribe(notifier, "price_drop")
        await falls_to("40.00", 2)
        await drained(notifier)
        await falls_to("30.00", 3)
        [waiting] = await until(partial(spared, notifier))
        assert "told of this product's price a while ago" in waiting.reason
        await advance(notifier, 3600.0)
        await drained(notifier)
    subjects = [each.message["Subject"] for each in mailer.sent]
    assert [each.partition("now ")[2] for each in subjects] == [
        "40.00 EUR (was 50.00 EUR)",
        "30.00 EUR (was 40.00 EUR)",
    ]


async def spared(notifier: Notifier) -> list[Unfinished]:
    return [each for each in await unfinished(notifier) if each.reason]


async def test_receivers_run_again_until_their_event_is_parked(
    notifier: Notifier,
    bus: MemoryBus,
    image_store: MemoryImageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(key: str) -> bool:
        raise StoreUnavailable(f"no answer about {key}")

    monkeypatch.setattr(image_store, "delete", away)
    async with at_work(notifier):
        await announce(bus, pre_delete, samples.image())
        for attempts in range(1, 8):
            await until(partial(failed, notifier, attempts))
            await advance(notifier, 300.0)
        with pytest.raises(
            NotDrained, match=r"purge_images .*, parked, after 8 attempts: StoreUna"
        ):
            await drained(notifier)
        monkeypatch.undo()
        assert await notifier.inbox.parked.redrive(None) == 1
        await drained(notifier)


async def test_files_are_purged_from_the_store_that_the_test_holds(
    notifier: Notifier, bus: MemoryBus, image_store: MemoryImageStore
) -> None:
    picture = samples.image()
    await image_store.put(picture.key, b"bytes", "image/png")
    async with at_work(notifier):
        await announce(bus, pre_delete, picture)
        await drained(notifier)
    assert await image_store.get(picture.key) is None


def test_the_mail_server_keeps_what_it_is_sent_and_fails_when_it_is_told(
    smtp_server: SMTPServer,
) -> None:
    smtp_server.refuse("550 No such user", "RCPT")
    with smtplib.SMTP("127.0.0.1", smtp_server.port) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@example.com", [ADA], "Subject: Lost\r\n\r\n.")
        client.sendmail("a@example.com", [ADA], "Subject: Kept\r\n\r\n.")
    [received] = smtp_server.messages
    assert received.message["subject"] == "Kept"
    assert received.recipients == (ADA,)
