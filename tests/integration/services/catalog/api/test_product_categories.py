from typing import Any

import httpx2
import pytest

from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    Token,
    announced,
    create,
    create_category,
    is_problem,
    products,
)

MISSING = "019a0000-0000-7000-8000-000000000000"


@pytest.fixture
async def shelves(client: httpx2.AsyncClient) -> list[str]:
    """The ids of three categories, ascending."""
    return [(await create_category(client, name=name))["id"] for name in "abc"]


def _signals(events: list[Any]) -> list[str]:
    return [event.body.get("action") or event.signal for event in events]


async def test_a_product_is_created_in_categories_as_one_version(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str]
) -> None:
    before = len(await announced(catalog))

    answer = await client.post("/v1/products", json=PRODUCT | {"categories": shelves[:2]})

    product = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert product["categories"] == shelves[:2]
    assert (await client.get(f"/v1/products/{product['id']}")).json() == product
    events = (await announced(catalog))[before:]
    assert _signals(events) == ["pre_save", "post_save", "pre_add", "post_add"]
    assert [each.sequence for each in events] == [f"{1:012d}.{place:04d}" for place in range(4)]
    assert events[-1].body["pk_set"] == shelves[:2]
    assert events[-1].body["instance"] == product


async def test_a_patch_sets_categories_with_other_fields_as_one_version(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str]
) -> None:
    url = f"/v1/products/{(await create(client, categories=shelves[:1]))['id']}"
    before = len(await announced(catalog))

    answer = await client.patch(url, json={"name": "Torch", "categories": shelves[1:]})

    assert answer.headers["etag"] == '"2"'
    assert (answer.json()["name"], answer.json()["categories"]) == ("Torch", shelves[1:])
    events = (await announced(catalog))[before:]
    assert _signals(events) == [
        "pre_save", "post_save", "pre_remove", "post_remove", "pre_add", "post_add",
    ]  # fmt: skip
    emptied = await client.patch(url, json={"categories": None})
    assert emptied.json()["categories"] == []
    assert emptied.headers["etag"] == '"3"'


async def test_categories_are_set_added_and_removed(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str]
) -> None:
    a, b, c = shelves
    url = f"/v1/products/{(await create(client))['id']}"

    answer = await client.put(f"{url}/categories", json={"categories": [b, a, b]})
    assert answer.status_code == 200
    assert (answer.json()["categories"], answer.headers["etag"]) == ([a, b], '"2"')

    for call, version in (
        (client.put(f"{url}/categories/{c}"), 3),
        (client.put(f"{url}/categories/{c}"), 3),
        (client.delete(f"{url}/categories/{a}"), 4),
        (client.delete(f"{url}/categories/{a}"), 4),
        (client.delete(f"{url}/categories/{MISSING}"), 4),
    ):
        answer = await call
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["etag"] == f'"{version}"'

    assert (await client.get(url)).json()["categories"] == [b, c]
    assert len([each for each in await announced(catalog) if each.signal == "m2m_changed"]) == 6


async def test_categories_are_cleared_once(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str]
) -> None:
    url = f"/v1/products/{(await create(client, categories=shelves[:2]))['id']}"
    before = len(await announced(catalog))

    for _ in range(2):
        answer = await client.delete(f"{url}/categories")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["etag"] == '"2"'

    assert (await client.get(url)).json()["categories"] == []
    events = (await announced(catalog))[before:]
    assert _signals(events) == ["pre_clear", "post_clear"]
    assert [each.body["pk_set"] for each in events] == [None, None]
    assert [each.body["instance"]["categories"] for each in events] == [shelves[:2], []]
    assert [each.sequence for each in events] == ["000000000002.0000", "000000000002.0001"]


async def test_a_category_that_is_not_there_is_pointed_to_and_nothing_is_written(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str]
) -> None:
    url = f"/v1/products/{(await create(client))['id']}"
    before = len(await announced(catalog))
    body = {"categories": [shelves[0], MISSING]}

    for answer in (
        await client.post("/v1/products", json=PRODUCT | body | {"sku": "A-2"}),
        await client.patch(url, json=body | {"name": "Torch"}),
        await client.put(f"{url}/categories", json=body),
    ):
        assert is_problem(answer, 422)["errors"][0]["pointer"] == "#/categories/1"
    is_problem(await client.put(f"{url}/categories/{MISSING}"), 404)

    assert await products(catalog) == ["A-1"]
    assert len(await announced(catalog)) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/categories"),
        ({"categories": None}, "#/categories"),
        ({"categories": "all"}, "#/categories"),
        ({"categories": ["lamps"]}, "#/categories/0"),
        ({"categories": [MISSING] * 101}, "#/categories"),
    ],
)
@sqlite_suffices
async def test_a_wrong_list_of_categories_is_pointed_to(
    client: httpx2.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    url = f"/v1/products/{(await create(client))['id']}/categories"

    assert is_problem(await client.put(url, json=body), 422)["errors"][0]["pointer"] == pointer


async def test_the_categories_of_a_stale_or_missing_product_stay(
    client: httpx2.AsyncClient, catalog: Catalog, shelves: list[str], token: Token
) -> None:
    id_ = (await create(client))["id"]
    before = len(await announced(catalog))
    body = {"categories": shelves}

    for product, headers, status in (
        (id_, {"If-Match": '"2"'}, 412),
        (MISSING, {}, 404),
        (id_, token("catalog:read"), 403),
    ):
        url = f"/v1/products/{product}/categories"
        is_problem(await client.put(url, json=body, headers=headers), status)
        is_problem(await client.put(f"{url}/{shelves[0]}", headers=headers), status)
        is_problem(await client.delete(f"{url}/{shelves[0]}", headers=headers), status)
        is_problem(await client.delete(url, headers=headers), status)

    assert len(await announced(catalog)) == before


async def test_products_are_listed_by_category(
    client: httpx2.AsyncClient, shelves: list[str]
) -> None:
    product = await create(client, categories=shelves[:1])
    await create(client, sku="A-2", categories=shelves[1:])

    answer = await client.get("/v1/products", params={"category": shelves[0]})

    assert answer.json()["items"] == [product]
