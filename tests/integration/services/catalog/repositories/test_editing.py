"""Products to be changed, while somebody else changes them."""

import asyncio
from uuid import UUID

import httpx2
from sqlalchemy import text

import contracts
from heliograph.events import new_id
from heliograph.storage import new_key
from services.catalog import models
from services.catalog.repositories.categories import ProductCategories
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.databases import postgresql_alone
from tests.integration.services.catalog.conftest import create, create_category
from tests.polling import until


@postgresql_alone
async def test_who_waited_for_a_product_has_what_hung_on_it_by_then(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product_id = UUID((await create(client))["id"])
    category_id = UUID((await create_category(client))["id"])
    image = models.Image(
        id=new_id(), key=new_key("png"), content_type="image/png", width=1, height=1, bytes=1,
        variants=[], alt="",
    )  # fmt: skip

    async def edited() -> contracts.Product:
        async with catalog.database.transaction() as session:
            repository = ProductRepository(session)
            return repository.snapshot(await repository.edit(product_id))

    async def waits() -> bool:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        async with catalog.database.reading() as session:
            return second.done() or bool(await session.scalar(query))

    async with catalog.database.transaction() as session:
        repository = ProductRepository(session)
        product = await repository.edit(product_id)
        second = asyncio.create_task(edited())
        await until(waits)
        await ProductCategories(repository).add(product, [category_id])
        await ImageRepository(session).add(product, image)
    found = await second
    assert found.categories == (category_id,)
    assert [each.id for each in found.images] == [image.id]
