from typing import Any

import httpx2
import pytest

from services.catalog.service import Catalog
from tests.integration.services.catalog.conftest import (
    MISSING,
    Token,
    announced,
    buffered,
    create,
    is_problem,
)
from tests.integration.shared.conftest import running, until


async def counted(catalog: Catalog, client: httpx2.AsyncClient, url: str, count: int) -> Any:
    """The views of a product, once there are so many of them."""

    async def views() -> Any:
        answer = (await client.get(f"{url}/views")).json()
        return answer if answer["count"] == count else None

    async with running(catalog.views, catalog.relay, catalog.consumer, catalog.worker):
        return await until(views)


async def test_a_read_and_a_revalidation_are_views_and_nothing_else_is(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await client.get(url, headers=token(subject="ann") | {"traceparent": trace})
    await client.get(url, headers=token(subject="bob") | {"If-None-Match": '"1"'})
    await client.head(url)
    await client.get("/v1/products")
    await client.get(f"{url}/images")
    await client.get(f"{url}/views")
    await client.get(MISSING)
    del client.headers["Authorization"]
    await client.get(url)

    await buffered(catalog)
    views = [each for each in await announced(catalog) if each.signal == "viewed"]
    assert [each.body["viewer"] for each in views] == ["ann", "bob", None]
    first = views[0]
    assert first.key == "catalog.product.viewed"
    assert first.headers["ce-subject"] == first.body["product_id"] == product["id"]
    assert first.headers["traceparent"] == trace
    assert "ce-subjectsequence" not in first.headers
    assert first.body.keys() == {
        "sender", "signal", "actor", "product_id", "viewer", "viewed_at",
    }  # fmt: skip


async def test_viewers_are_counted_and_listed_page_by_page(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    assert (await client.get(f"{url}/views")).json() == {"count": 0, "viewers": [], "next": None}

    for subject in ("ann", "bob", "ann", "café"):
        await client.get(url, headers=token(subject=subject))
    await client.get(url)
    views = await counted(catalog, client, url, 5)

    counts = {each["viewer"]: each["count"] for each in views["viewers"]}
    assert counts == {"ann": 2, "bob": 1, "café": 1, "user-7": 1}
    assert all(each["last_viewed_at"].endswith("Z") for each in views["viewers"])
    pages: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(f"{url}/views", params={"limit": "1"} | after)).json()
        pages += [each["viewer"] for each in page["viewers"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == [each["viewer"] for each in views["viewers"]]


async def test_views_outlive_their_product(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    seen, unseen = await create(client), await create(client, sku="A-2")
    url = f"/v1/products/{seen['id']}"
    await client.get(url, headers=token(subject="ann"))
    await counted(catalog, client, url, 1)
    for product in (seen, unseen):
        await client.delete(f"/v1/products/{product['id']}")

    views = (await client.get(f"{url}/views")).json()
    none = (await client.get(f"/v1/products/{unseen['id']}/views")).json()

    assert (views["count"], views["viewers"][0]["viewer"]) == (1, "ann")
    assert none == {"count": 0, "viewers": [], "next": None}
    is_problem(await client.get(f"{MISSING}/views"), 404)


@pytest.mark.parametrize("after", ["x", "WyJcdTAwMDAiXQ", "WzFd", "W10", "ü"])
async def test_a_cursor_that_no_page_gave_is_a_problem(
    client: httpx2.AsyncClient, after: str
) -> None:
    product = await create(client)

    answer = await client.get(f"/v1/products/{product['id']}/views", params={"after": after})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


async def test_views_are_for_callers_with_the_scope(
    client: httpx2.AsyncClient, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}/views"

    is_problem(await client.get(url, headers=token("catalog:write")), 403)
    del client.headers["Authorization"]
    is_problem(await client.get(url), 401)
