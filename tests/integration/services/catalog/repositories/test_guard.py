"""A write to a signalling model that no repository announced does not reach the database."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, delete, insert, select, update

from heliograph import Event, Signal, Unannounced, post_save
from heliograph.database import Database, Session
from heliograph.events import new_id
from services.catalog import models
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import announced, listening, products


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


async def test_a_new_row_needs_its_signals(catalog: Catalog) -> None:
    with pytest.raises(Unannounced, match=r"insert of Product .* use ProductRepository"):
        async with catalog.database.transaction() as session:
            session.add(lamp())

    assert await products(catalog) == []


async def test_a_changed_row_needs_its_signals(catalog: Catalog, product_id: UUID) -> None:
    async def rename() -> None:
        async with catalog.database.transaction() as session:
            product = await session.get_one(models.Product, product_id)
            product.sku = "A-2"

    with pytest.raises(Unannounced, match="update of Product"):
        await rename()

    assert await products(catalog) == ["A-1"]


async def test_a_deleted_row_needs_its_signals(catalog: Catalog, product_id: UUID) -> None:
    with pytest.raises(Unannounced, match="delete of Product"):
        async with catalog.database.transaction() as session:
            await session.delete(await session.get_one(models.Product, product_id))

    assert await products(catalog) == ["A-1"]


PRODUCT = models.Base.metadata.tables["product"]
STATEMENTS: dict[str, Callable[[], Executable]] = {
    "update a model": lambda: update(models.Product).values(sku="A-2"),
    "delete a model": lambda: delete(models.Product),
    "insert a model": lambda: insert(models.Product).values(id=new_id(), sku="A-2"),
    "update a table": lambda: update(PRODUCT).values(sku="A-2"),
    "delete a table": lambda: delete(PRODUCT),
    "insert a table": lambda: insert(PRODUCT).values(id=new_id(), sku="A-2"),
    "update an image": lambda: update(models.Image).values(key="x"),
    "delete a category": lambda: delete(models.Category),
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.usefixtures("product_id")
@sqlite_suffices
async def test_a_statement_needs_its_signals(
    catalog: Catalog, statement: Callable[[], Executable]
) -> None:
    with pytest.raises(Unannounced):
        async with catalog.database.transaction() as session:
            await session.execute(statement())

    assert await products(catalog) == ["A-1"]
    assert len(await announced(catalog)) == 2


JOINS = models.Base.metadata.tables["product_category"]


def row() -> dict[str, Any]:
    return {**{name: value for name, value in vars(lamp("B-1")).items() if name in PRODUCT.c}}


async def by_bulk_insert(database: Database, _id: UUID) -> None:
    async with database.transaction() as session:
        await session.run_sync(lambda sync: sync.bulk_insert_mappings(models.Product, [row()]))


async def by_bulk_update(database: Database, id: UUID) -> None:
    async with database.transaction() as session:
        values = [{"id": id, "sku": "A-2"}]
        await session.run_sync(lambda sync: sync.bulk_update_mappings(models.Product, values))


async def by_bulk_save(database: Database, _id: UUID) -> None:
    async with database.transaction() as session:
        await session.run_sync(lambda sync: sync.bulk_save_objects([lamp("B-1")]))


async def by_the_sessions_connection(database: Database, _id: UUID) -> None:
    async with database.transaction() as session:
        await (await session.connection()).execute(update(PRODUCT).values(sku="A-2"))


async def by_a_connection_of_its_own(database: Database, _id: UUID) -> None:
    async with database.statement() as connection:
        await connection.execute(delete(PRODUCT))


async def by_an_engines_connection(database: Database, _id: UUID) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(delete(models.Product))


async def within_another_write(database: Database, _id: UUID) -> None:
    gone = delete(PRODUCT).returning(PRODUCT.c.id).cte("gone")
    async with database.transaction() as session:
        await session.execute(
            delete(models.Viewer).where(models.Viewer.product_id.in_(select(gone)))
        )


async def within_a_query(database: Database, _id: UUID) -> None:
    changed = update(PRODUCT).values(sku="A-2").returning(PRODUCT.c.id).cte("changed")
    async with database.transaction() as session:
        await session.execute(select(changed.c.id))


async def beside_a_query(database: Database, _id: UUID) -> None:
    changed = update(PRODUCT).values(sku="A-2").cte("changed")
    async with database.transaction() as session:
        await session.execute(select(models.Category.id).add_cte(changed))


async def of_what_joins_it(database: Database, id: UUID) -> None:
    async with database.transaction() as session:
        await session.execute(insert(JOINS).values(product_id=id, category_id=new_id()))


async def after_a_flush(database: Database, _id: UUID) -> None:
    async with database.transaction() as session:
        await ProductRepository(session).save(lamp("B-1"))
        await (await session.connection()).execute(update(PRODUCT).values(name="Torch"))


WAYS = [
    by_bulk_insert,
    by_bulk_update,
    by_bulk_save,
    by_the_sessions_connection,
    by_a_connection_of_its_own,
    by_an_engines_connection,
    within_another_write,
    within_a_query,
    beside_a_query,
    of_what_joins_it,
    after_a_flush,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_there_is_no_way_around(
    catalog: Catalog, product_id: UUID, way: Callable[[Database, UUID], Awaitable[None]]
) -> None:
    # Twice: what a statement writes is remembered with what it was compiled to.
    for _ in range(2):
        with pytest.raises(Unannounced, match=r"of Product .* use ProductRepository"):
            await way(catalog.database, product_id)
    assert await products(catalog) == ["A-1"]
    assert len(await announced(catalog)) == 2


async def test_what_no_signal_is_about_is_written_as_ever(catalog: Catalog) -> None:
    async with catalog.database.statement() as connection:
        await connection.execute(
            insert(models.ViewCount).values(product_id=new_id(), count=1, viewers=0)
        )


async def test_a_change_after_its_save_is_caught_at_the_commit(catalog: Catalog) -> None:
    async def save_and_rename(product: models.Product) -> None:
        async with catalog.database.transaction() as session:
            await ProductRepository(session).save(product)
            product.name = "Torch"

    with pytest.raises(Unannounced):
        await save_and_rename(lamp())

    assert await products(catalog) == []
    assert await announced(catalog) == []


async def test_what_a_failing_receiver_of_send_robust_did_is_undone_and_not_announced(
    catalog: Catalog,
) -> None:
    restocked = Signal("restocked")

    async def fail(event: Event[models.Product], session: Session) -> None:
        await ProductRepository(session).save(lamp("B-1"))
        raise RuntimeError("broken")

    async def succeed(event: Event[models.Product], session: Session) -> None:
        await ProductRepository(session).save(lamp("C-1"))

    restocked.connect(fail, models.Product)
    restocked.connect(succeed, models.Product)
    product = lamp()
    async with catalog.database.transaction() as session:
        await ProductRepository(session).save(product)
        event: Event[Any] = Event(sender=models.Product, instance=product)
        (_, error), (_, answer) = await restocked.send_robust(event, session.collaborators)

    assert isinstance(error, RuntimeError)
    assert answer is None
    assert await products(catalog) == ["A-1", "C-1"]
    told = [each.body["instance"]["sku"] for each in await announced(catalog)]
    assert told == ["A-1", "A-1", "C-1", "C-1"]


async def test_a_receiver_works_in_the_transaction_of_the_write(catalog: Catalog) -> None:
    seen: list[str] = []

    async def look(event: Event[models.Product], session: Session) -> None:
        seen.extend(await session.scalars(select(models.Product.sku)))

    with listening(post_save, look, models.Product):
        async with catalog.database.transaction() as session:
            await ProductRepository(session).save(lamp())
            assert await products(catalog) == []

    assert seen == ["A-1"]
