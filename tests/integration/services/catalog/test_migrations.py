from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, bindparam, text

from heliograph.database import UtcDateTime, migrations
from services.catalog.models import Base
from services.catalog.repositories.search import is_modelled
from services.catalog.service import Catalog
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters
from tests.integration.services.catalog.conftest import create


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
async def test_models_and_migrations_agree(catalog: Catalog) -> None:
    async with catalog.database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(
                    each, opts={"compare_server_default": True, "include_object": is_modelled}
                ),
                Base.metadata,
            )
        )
    assert differences == []


async def test_migrating_again_changes_nothing(catalog: Catalog) -> None:
    await catalog.migrate()
    await catalog.check()


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(catalog: Catalog) -> None:
    assert await storage_parameters(catalog.database) == modelled_parameters(Base.metadata)


async def test_products_from_before_their_terms_are_found(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp = await create(client, name="हिन्दी दीपक")

    await rerun(catalog, command.downgrade, "0010")
    await rerun(catalog, command.upgrade, "head")

    found = (await client.get("/v1/products", params={"q": "दीपक"})).json()["items"]
    assert [each["id"] for each in found] == [lamp["id"]]
    await client.patch(f"/v1/products/{lamp['id']}", json={"name": "Torch"})
    assert (await client.get("/v1/products", params={"q": "दीपक"})).json()["items"] == []


async def test_products_from_before_their_symbols_were_letters_are_found(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    rice = await create(client, name="Rice 5㎏")
    async with catalog.database.transaction() as session:
        await session.execute(text("UPDATE product SET search_terms = 'rice 5 ㎏'"))

    await rerun(catalog, command.downgrade, "0017")
    await rerun(catalog, command.upgrade, "head")

    for question, count in (("5kg", 1), ("㎏", 0), ("rice 5㎏", 1)):
        found = (await client.get("/v1/products", params={"q": question})).json()["items"]
        assert len(found) == count
    await client.patch(f"/v1/products/{rice['id']}", json={"name": "Torch"})
    assert (await client.get("/v1/products", params={"q": "5kg"})).json()["items"] == []


async def test_products_from_before_their_search_order_are_found_by_it(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    shelf = (await client.post("/v1/categories", json={"name": "Shelf"})).json()["id"]
    await create(client, sku="A", name="Lamp", price="200", currency="JPY", categories=[shelf])
    await create(client, sku="B", name="Another lamp", price="3.00")

    await rerun(catalog, command.downgrade, "0012")
    await rerun(catalog, command.upgrade, "head")

    for query, skus in (
        ({"sort": "price"}, ["B", "A"]),
        ({"sort": "name"}, ["B", "A"]),
        ({"sort": "created_at"}, ["A", "B"]),
        ({"category": shelf}, ["A"]),
    ):
        found = await client.get("/v1/products", params={"q": "lamp"} | query)
        assert [each["sku"] for each in found.json()["items"]] == skus


async def test_events_from_before_their_failures_run_and_are_told_of(catalog: Catalog) -> None:
    receiver, sent = catalog.receivers[0], ("done before", "waits", "arrives later")
    # As the release before writes it, on the schema before and on this one.
    accept = text(
        "INSERT INTO inbox (receiver, event_id, routing_key, headers, body, due_at, received_at)"
        " VALUES (:receiver, :event, 'k', '{}', '', :now, :now)"
    ).bindparams(
        bindparam("receiver", receiver.name),
        bindparam("now", datetime(2026, 1, 31, tzinfo=UTC), type_=UtcDateTime()),
    )

    await rerun(catalog, command.downgrade, "0013")
    async with catalog.database.transaction() as session:
        for each in sent[:2]:
            await session.execute(accept, {"event": each})
        finish = "UPDATE inbox SET state = 'done', attempts = 1 WHERE event_id = 'done before'"
        await session.execute(text(finish))
    await rerun(catalog, command.upgrade, "head")
    async with catalog.database.transaction() as session:
        await session.execute(accept, {"event": sent[2]})

    await catalog.inbox.retry(await catalog.inbox.claim(receiver, 8, attempts=8), "no light", 60)
    told = [each for event_id in sent for each in await catalog.inbox.handlings.of(event_id)]
    assert [(each.state, len(each.failures)) for each in told] == [
        ("done", 0), ("pending", 1), ("pending", 1),
    ]  # fmt: skip
    assert [each.started_at is None for each in told] == [True, False, False]


async def rerun(catalog: Catalog, run: Callable[[Config, str], None], revision: str) -> None:
    """Bring the catalog's database to another revision and back, as Alembic's command does."""
    config = Config(attributes={"metadata": Base.metadata, "options": {}})
    config.set_main_option("script_location", str(Path(migrations.__path__[0]) / "alembic"))
    config.set_main_option("version_locations", str(catalog.schema.versions))
    config.set_main_option("path_separator", "newline")

    def on(connection: Connection) -> None:
        config.attributes["connection"] = connection
        run(config, revision)

    async with catalog.database.engine.connect() as connection:
        await connection.run_sync(on)
        await connection.commit()
