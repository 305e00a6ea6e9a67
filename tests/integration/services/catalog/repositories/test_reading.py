"""One product, read in one statement."""

from uuid import UUID

import httpx2
import pytest

from heliograph.events import new_id
from services.catalog.errors import NotFound
from services.catalog.repositories.products import ProductRepository
from services.catalog.repositories.reading import ProductReader
from services.catalog.service import Catalog
from tests import pictures
from tests.integration.services.catalog.conftest import create, create_category


def reader(catalog: Catalog) -> ProductReader:
    return catalog.collaborators[ProductReader]


async def test_a_product_is_read_as_it_was_saved(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    categories = [await create_category(client, name=name) for name in ("Lamps", "Red", "New")]
    ids = [each["id"] for each in categories]
    product_id = UUID((await create(client, categories=ids))["id"])
    for side in (8, 9):
        files = {"file": pictures.png(side, side)}
        await client.post(f"/v1/products/{product_id}/images", files=files)

    snapshot = await reader(catalog).read(product_id)

    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        assert snapshot == products.snapshot(await products.get(product_id))
    assert sorted(map(str, snapshot.categories)) == sorted(ids)
    assert [each.width for each in snapshot.images] == [8, 9]


async def test_a_product_without_images_and_categories_is_read(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product_id = UUID((await create(client))["id"])
    snapshot = await reader(catalog).read(product_id)
    assert (snapshot.images, snapshot.categories) == ((), ())


async def test_a_product_that_is_not_there_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(NotFound):
        await reader(catalog).read(new_id())
