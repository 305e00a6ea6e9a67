"""Signals of one's own: announced by the repositories, with the transaction."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

import contracts
from heliograph import CannotAnnounce, Event, Refused, Signal
from heliograph.events import new_id
from heliograph.signals import announced_signals
from heliograph.testing import announced
from services.catalog import models
from services.catalog.repositories.categories import CategoryRepository
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.catalog.conftest import listening


class Restocked(BaseModel, frozen=True):
    amount: int


class Declared:
    """What the tests declare, before the catalog is made."""

    def __init__(self) -> None:
        self.restocked = Signal("restocked", sender=contracts.Product, carries=Restocked)
        self.checked = Signal("checked", sender=contracts.Product)
        self.renewed = Signal("renewed", sender=contracts.Category)
        self.flagged = Signal("flagged", sender=contracts.Image)
        self.seen = Signal("seen", sender=contracts.Product, buffered=True)


@pytest.fixture(autouse=True)
def signals() -> Iterator[Declared]:
    declared = Declared()
    yield declared
    for each in vars(declared).values():
        announced_signals.remove(each)


def lamp(sku: str = "A-1") -> models.Product:
    return models.Product(
        id=new_id(), sku=sku, name="Lamp", description="", price_minor=1999, currency="EUR",
        images=[], categories=[],
    )  # fmt: skip


@pytest.fixture
async def product_id(catalog: Catalog) -> UUID:
    product = lamp()
    async with catalog.database.transaction() as session:
        await ProductRepository(session).save(product)
    return product.id


async def test_it_leaves_as_a_change_of_its_product(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    with announced(catalog.outbox) as events:
        async with catalog.database.transaction() as session:
            session.actor = "user-7"
            products = ProductRepository(session)
            product = await products.edit(product_id)
            saved = await products.announce(signals.restocked, product, Restocked(amount=3))
            # That is what the next save begins from: it changes nothing.
            assert await products.save(product) == saved

    [event] = events
    assert (event.key, event.sequence) == ("catalog.product.restocked", "000000000002.0000")
    assert event.headers["ce-type"] == "catalog.product.restocked.v1"
    assert event.body["data"] == {"amount": 3}
    assert event.body["instance"]["version"] == saved.version == 2
    nothing = {"created": None, "original": None, "changes": None, "update_fields": None}
    assert event.body.items() >= {**nothing, "actor": "user-7"}.items()
    read = event.event(contracts.Product, Restocked)
    assert (read.instance, read.data) == (saved, Restocked(amount=3))
    async with catalog.database.reading() as session:
        assert (await ProductRepository(session).get(product_id)).version == 2


async def test_it_takes_its_place_in_the_change_around_it(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    with announced(catalog.outbox) as events:
        async with catalog.database.transaction() as session:
            products = ProductRepository(session)
            product = await products.edit(product_id)
            product.name = "Torch"
            await products.save(product)
            for amount in (1, 2):
                await products.announce(signals.restocked, product, Restocked(amount=amount))
            await products.announce(signals.checked, product)
            await products.delete(product)

    assert [(each.signal, each.sequence[-6:]) for each in events] == [
        ("pre_save", "2.0000"),
        ("post_save", "2.0001"),
        ("restocked", "2.0002"),
        ("restocked", "2.0003"),
        ("checked", "2.0004"),
        ("pre_delete", "2.0005"),
        ("post_delete", "2.0006"),
    ]
    assert "data" not in events[4].body


async def test_a_receiver_in_the_process_is_given_the_row_and_the_data_and_may_refuse(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    heard: list[Event[models.Product, Restocked]] = []

    async def limit(event: Event[models.Product, Restocked]) -> None:
        heard.append(event)
        if event.data.amount > 10:
            raise Refused("there is no room for so many")

    async def restock(amount: int) -> None:
        async with catalog.database.transaction() as session:
            products = ProductRepository(session)
            product = await products.edit(product_id)
            await products.announce(signals.restocked, product, Restocked(amount=amount))

    with announced(catalog.outbox) as events, listening(signals.restocked, limit, models.Product):
        with pytest.raises(Refused, match="no room"):
            await restock(11)
        await restock(10)

    assert [each.data.amount for each in heard] == [11, 10]
    assert isinstance(heard[0].instance, models.Product)
    assert [each.body["data"] for each in events] == [{"amount": 10}]
    assert [each.body["instance"]["version"] for each in events] == [2]


async def test_categories_and_images_have_signals_of_their_own_too(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    with announced(catalog.outbox) as events:
        async with catalog.database.transaction() as session:
            categories = CategoryRepository(session)
            category = models.Category(id=new_id(), name="Lamps", slug="lamps")
            await categories.save(category)
            await categories.announce(signals.renewed, category)
            product = await ProductRepository(session).edit(product_id)
            image = models.Image(
                id=new_id(), key="a.png", content_type="image/png", width=1, height=1, bytes=5,
                variants=[], alt="",
            )  # fmt: skip
            images = ImageRepository(session)
            await images.add(product, image)
            await session.refresh(product, ["images"])
            await images.announce(signals.flagged, product, image.id)

    by_key = {each.key: each for each in events}
    assert by_key["catalog.category.renewed"].headers["ce-subject"] == str(category.id)
    flagged = by_key["catalog.image.flagged"]
    assert flagged.headers["ce-subject"] == str(product_id)
    assert flagged.body["instance"]["id"] == str(image.id)
    assert flagged.sequence == "000000000002.0002"


async def deleted(products: ProductRepository, product: models.Product) -> models.Product:
    await products.delete(product)
    return product


async def unsaved(_products: ProductRepository, _product: models.Product) -> models.Product:
    return lamp("A-2")


async def changed(_products: ProductRepository, product: models.Product) -> models.Product:
    product.name = "Torch"
    return product


Prepare = Callable[[ProductRepository, models.Product], Awaitable[models.Product]]


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (deleted, "is deleted: announce it before it is"),
        (unsaved, "is not saved yet: save it first"),
        (changed, "has changes: save them first"),
    ],
)
async def test_a_row_that_is_not_stored_as_it_is_says_what_to_do(
    catalog: Catalog, product_id: UUID, signals: Declared, prepare: Prepare, told: str
) -> None:
    async def announce() -> None:
        async with catalog.database.transaction() as session:
            products = ProductRepository(session)
            product = await prepare(products, await products.edit(product_id))
            await products.announce(signals.checked, product)

    with pytest.raises(CannotAnnounce, match=f"checked: the product .* {told}"):
        await announce()


async def test_a_product_that_somebody_else_has_changed_or_deleted_is_to_be_read_again(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    async def announce(product: models.Product) -> None:
        async with catalog.database.transaction() as session:
            session.add(product)
            await ProductRepository(session).announce(signals.checked, product)

    async def read() -> models.Product:
        async with catalog.database.reading() as session:
            return await ProductRepository(session).get(product_id)

    stale, gone = await read(), await read()
    await announce(await read())
    with pytest.raises(CannotAnnounce, match="has changed: load it with edit"):
        await announce(stale)
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        await products.delete(await products.edit(product_id))
    with pytest.raises(CannotAnnounce, match="is deleted by now: load it with edit"):
        await announce(gone)


async def test_nothing_is_announced_without_a_transaction(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    async with catalog.database.reading() as session:
        products = ProductRepository(session)
        product = await products.get(product_id)
        with pytest.raises(CannotAnnounce, match=r"here is none: .* database.transaction\(\)"):
            await products.announce(signals.checked, product)
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        product = await products.edit(product_id)
    with pytest.raises(CannotAnnounce, match="here is none"):
        await products.announce(signals.checked, product)


@sqlite_suffices
@pytest.mark.parametrize(
    ("signal", "error", "told"),
    [
        ("renewed", CannotAnnounce, "about a Category, not about a Product: declare another"),
        ("seen", CannotAnnounce, r"seen is buffered.* write await seen.send\(Event\(…\)\)"),
        ("restocked", TypeError, r"carries a Restocked, not nothing: write Restocked\(…\)"),
    ],
)
async def test_a_signal_that_is_not_the_repositorys_says_what_to_do(
    catalog: Catalog,
    product_id: UUID,
    signals: Declared,
    signal: str,
    error: type[Exception],
    told: str,
) -> None:
    async def announce() -> None:
        async with catalog.database.transaction() as session:
            products = ProductRepository(session)
            product = await products.edit(product_id)
            await products.announce(getattr(signals, signal), product)

    with pytest.raises(error, match=told):
        await announce()


@sqlite_suffices
async def test_a_signal_that_is_declared_too_late_says_so(
    catalog: Catalog, product_id: UUID
) -> None:
    late: Signal[Any] = Signal("late", sender=contracts.Product)
    announced_signals.remove(late)

    async def announce() -> None:
        async with catalog.database.transaction() as session:
            products = ProductRepository(session)
            await products.announce(late, await products.edit(product_id))

    with pytest.raises(CannotAnnounce, match="no outbox hears late: declare it in a module"):
        await announce()


@sqlite_suffices
async def test_a_buffered_signal_of_ones_own_leaves_from_the_buffer(
    catalog: Catalog, product_id: UUID, signals: Declared
) -> None:
    async with catalog.database.reading() as session:
        products = ProductRepository(session)
        product = await products.get(product_id)
        snapshot = products.snapshot(product)
        await signals.seen.send(
            Event(sender=models.Product, instance=product, snapshot=snapshot),
            session.collaborators,
        )
    [waiting] = await catalog.buffer.unfinished()
    assert waiting.what == "1 buffered events"
    with announced(catalog.outbox) as events:
        async with running(catalog.buffer):
            pass
    assert [each.key for each in events] == ["catalog.product.seen"]
    assert "ce-subjectsequence" not in events[0].headers
