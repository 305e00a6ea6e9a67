from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

import contracts
from heliograph import Event
from heliograph.database import database_now
from services.catalog import models, viewers
from services.catalog.repositories.views import ViewRepository
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.catalog.conftest import (
    MISSING,
    Token,
    announced,
    buffered,
    create,
    is_problem,
    listening,
)
from tests.polling import until
from tests.statements import statements_of

NONE = {"count": 0, "unique": 0, "viewers": [], "next": None}


async def counted(catalog: Catalog, client: httpx2.AsyncClient, url: str, count: int) -> Any:
    """The views of a product, once there are so many of them."""

    async def views() -> Any:
        answer = (await client.get(f"{url}/views")).json()
        return answer if answer["count"] == count else None

    async with running(catalog.buffer, catalog.relay, catalog.consumer, catalog.worker):
        return await until(views)


@sqlite_suffices
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


async def test_a_receiver_in_the_process_is_shown_what_the_reader_is(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    seen: list[Event[Any]] = []
    with listening(contracts.viewed, seen.append, models.Product):
        answer = await client.get(f"/v1/products/{product['id']}")
    [event] = seen
    assert event.sender is models.Product
    assert event.instance == contracts.Product.model_validate(answer.json())
    assert isinstance(event.snapshot, contracts.View)


async def test_viewers_are_counted_and_listed_page_by_page(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    assert (await client.get(f"{url}/views")).json() == NONE

    for subject in ("ann", "bob", "ann", "café"):
        await client.get(url, headers=token(subject=subject))
    await client.get(url)
    views = await counted(catalog, client, url, 5)

    counts = {each["viewer"]: each["count"] for each in views["viewers"]}
    assert counts == {"ann": 2, "bob": 1, "café": 1, "user-7": 1}
    assert views["unique"] == 4
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

    assert (views["count"], views["unique"], views["viewers"][0]["viewer"]) == (1, 1, "ann")
    assert none == NONE
    is_problem(await client.get(f"{MISSING}/views"), 404)


async def viewed(catalog: Catalog, product: dict[str, Any], *viewers: str) -> None:
    """Record a view of the product by each of these."""
    views = [
        contracts.View(product_id=product["id"], viewer=each, viewed_at=datetime.now(UTC))
        for each in viewers
    ]
    async with catalog.database.transaction() as session:
        await ViewRepository(session).record(views)


async def seen(client: httpx2.AsyncClient, product: dict[str, Any]) -> tuple[int, int, list[str]]:
    """How often, by how many and by whom the product was viewed."""
    views = (await client.get(f"/v1/products/{product['id']}/views")).json()
    return views["count"], views["unique"], [each["viewer"] for each in views["viewers"]]


async def test_a_viewer_is_unique_however_the_views_arrive(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")

    await viewed(catalog, lamp, "ann", "ann", "bob")
    await viewed(catalog, torch, "ann")
    await viewed(catalog, lamp, "bob", "cem", "bob")

    assert await seen(client, lamp) == (6, 3, ["ann", "bob", "cem"])
    assert await seen(client, torch) == (1, 1, ["ann"])


async def test_a_forgotten_viewer_is_gone_everywhere_and_the_counts_stay(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")
    await viewed(catalog, lamp, "ann/a b", "bob")
    await viewed(catalog, torch, "ann/a b")
    admin = token("catalog:admin")

    for path in ("ann%2Fa%20b", "ann/a%20b", "nobody", "%00", "%ff", "x" * 1000):
        answer = await client.delete(f"/v1/viewers/{path}", headers=admin)
        assert (answer.status_code, answer.content) == (204, b"")

    assert await seen(client, lamp) == (2, 2, ["bob"])
    assert await seen(client, torch) == (1, 1, [])
    is_problem(await client.delete("/v1/viewers/bob"), 403)


async def test_who_viewed_very_much_is_forgotten_in_short_steps(
    client: httpx2.AsyncClient, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "STEP", 2)
    products = [await create(client, sku=f"A-{n}") for n in range(5)]
    for product in products:
        await viewed(catalog, product, "ann")

    async with statements_of(catalog.database) as statements:
        await catalog.viewers.forget("ann")

    assert sum(each.startswith("DELETE") for each in statements) == 3
    assert [await seen(client, each) for each in products] == [(1, 1, [])] * 5


async def test_viewers_are_forgotten_after_the_days_that_are_set(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    await viewed(catalog, product, "ann", "bob", "cem")
    async with catalog.database.transaction() as session:
        for viewer, days in (("ann", 365.1), ("bob", 364.9)):
            old = database_now(-timedelta(days=days).total_seconds())
            await session.execute(
                update(models.Viewer)
                .where(models.Viewer.viewer == viewer)
                .values(last_viewed_at=old)
            )

    assert [await catalog.viewers.prune(limit=1) for _ in range(2)] == [1, 0]
    assert await seen(client, product) == (3, 3, ["bob", "cem"])
    await viewed(catalog, product, "ann")
    assert await seen(client, product) == (4, 4, ["ann", "bob", "cem"])


@pytest.mark.parametrize("after", ["x", "WyJcdTAwMDAiXQ", "WzFd", "W10", "ü"])
@sqlite_suffices
async def test_a_cursor_that_no_page_gave_is_a_problem(
    client: httpx2.AsyncClient, after: str
) -> None:
    product = await create(client)

    answer = await client.get(f"/v1/products/{product['id']}/views", params={"after": after})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


@sqlite_suffices
async def test_views_are_for_callers_with_the_scope(
    client: httpx2.AsyncClient, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}/views"

    is_problem(await client.get(url, headers=token("catalog:write")), 403)
    del client.headers["Authorization"]
    is_problem(await client.get(url), 401)
