import asyncio
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from heliograph import DatabaseUnavailable, Event, Refused, post_save, pre_delete, pre_save
from heliograph.database import Session
from services.catalog import models
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    MISSING,
    PRODUCT,
    Token,
    announced,
    create,
    is_problem,
    listening,
    products,
)


async def test_a_created_product_is_answered_and_announced(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    answer = await client.post("/v1/products", json=PRODUCT)

    product = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == product["url"]
    assert product["url"] == f"https://catalog.example/v1/products/{product['id']}"
    assert answer.headers["etag"] == '"1"'
    assert product.items() >= (PRODUCT | {"description": "", "version": 1}).items()
    assert (product["categories"], product["images"]) == ([], [])
    before, after = await announced(catalog)
    assert [before.key, after.key] == ["catalog.product.pre_save", "catalog.product.post_save"]
    assert [before.sequence, after.sequence] == ["000000000001.0000", "000000000001.0001"]
    assert after.body == {
        "sender": "catalog.product",
        "signal": "post_save",
        "created": True,
        "instance": product,
        "original": None,
        "changes": None,
        "update_fields": None,
        "origin": None,
        "cascade": None,
        "actor": "user-7",
    }


async def test_a_patch_announces_what_changed(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    before = await create(client)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer = await client.patch(
        f"/v1/products/{before['id']}", json={"price": "14.99"}, headers={"traceparent": trace}
    )

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    *_, event, last = await announced(catalog)
    assert event.headers["traceparent"] == trace
    assert event.body["original"] == before
    assert event.body["instance"] == answer.json()
    assert event.body["changes"] == {"price": {"from": "19.99", "to": "14.99"}}
    assert event.body["update_fields"] == ["price"]
    assert event.body["created"] is False
    assert [event.sequence, last.sequence] == ["000000000002.0000", "000000000002.0001"]


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
@pytest.mark.parametrize("patch", [b"{}", b'{"name": "Lamp"}', b'{"price": "19.99"}'])
async def test_a_patch_that_changes_nothing_announces_nothing(
    client: httpx2.AsyncClient, catalog: Catalog, patch: bytes, media_type: str
) -> None:
    product = await create(client)

    answer = await client.patch(
        f"/v1/products/{product['id']}", content=patch, headers={"Content-Type": media_type}
    )

    assert answer.status_code == 200
    assert answer.json() == product
    assert answer.headers["etag"] == '"1"'
    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_a_null_description_becomes_an_empty_one(client: httpx2.AsyncClient) -> None:
    product = await create(client, description="Bright.\nWarm.")

    answer = await client.patch(f"/v1/products/{product['id']}", json={"description": None})

    assert answer.json()["description"] == ""


@sqlite_suffices
async def test_the_currency_changes_alone_if_it_can_express_the_price(
    client: httpx2.AsyncClient,
) -> None:
    whole = await create(client, price="20.00")
    odd = await create(client, sku="A-2", price="20.50")

    changed = await client.patch(f"/v1/products/{whole['id']}", json={"currency": "JPY"})
    refused = await client.patch(f"/v1/products/{odd['id']}", json={"currency": "JPY"})

    assert (changed.json()["price"], changed.json()["currency"]) == ("20", "JPY")
    assert is_problem(refused, 422)["errors"][0]["pointer"] == "#/currency"


async def test_if_match_lets_only_the_current_version_be_changed(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"

    for stale in ('"2"', 'W/"1"', "1", '"a", "b"'):
        answer = await client.patch(url, json={"name": "B"}, headers={"If-Match": stale})
        is_problem(answer, 412)
        is_problem(await client.delete(url, headers={"If-Match": stale}), 412)
    assert len(await announced(catalog)) == 2

    changed = await client.patch(url, json={"name": "B"}, headers={"If-Match": '"0", "1"'})
    assert changed.status_code == 200
    assert (await client.delete(url, headers={"If-Match": "*"})).status_code == 204


async def test_a_deleted_product_is_gone_and_announced_as_it_was(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)

    answer = await client.delete(f"/v1/products/{product['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    is_problem(await client.get(f"/v1/products/{product['id']}"), 404)
    *_, before, after = await announced(catalog)
    assert [before.signal, after.signal] == ["pre_delete", "post_delete"]
    assert before.body["instance"] == after.body["instance"] == product
    assert [before.sequence, after.sequence] == ["000000000002.0000", "000000000002.0001"]


@sqlite_suffices
async def test_a_product_is_read_by_anyone_and_revalidated_by_its_etag(
    client: httpx2.AsyncClient,
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    del client.headers["Authorization"]

    answer = await client.get(url)
    same = await client.get(url, headers={"If-None-Match": 'W/"1", "7"'})
    other = await client.get(url, headers={"If-None-Match": '"7"'})

    assert answer.json() == product
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    assert other.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("url", "status"), [(MISSING, 404), ("/v1/products/42", 422)])
@sqlite_suffices
async def test_a_product_that_is_not_there_is_a_problem(
    client: httpx2.AsyncClient, catalog: Catalog, method: str, url: str, status: int
) -> None:
    is_problem(await client.request(method, url, json={"name": "B"}), status)

    assert await announced(catalog) == []


async def test_a_refused_save_writes_and_announces_nothing(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)

    def refuse(event: Event[models.Product]) -> None:
        raise Refused("prices are frozen today")

    with listening(pre_save, refuse, models.Product):
        created = await client.post("/v1/products", json=PRODUCT | {"sku": "A-2"})
        patched = await client.patch(f"/v1/products/{product['id']}", json={"price": "1.00"})

    for answer in (created, patched):
        problem = is_problem(answer, 409)
        assert problem["type"] == "urn:heliograph:problem:refused"
        assert problem["detail"] == "prices are frozen today"
    assert await products(catalog) == ["A-1"]
    assert (await client.get(f"/v1/products/{product['id']}")).json() == product
    assert len(await announced(catalog)) == 2


async def test_a_receiver_of_pre_save_may_alter_what_is_written_and_announced(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    def shout(event: Event[models.Product]) -> None:
        event.instance.name = event.instance.name.upper()

    with listening(pre_save, shout, models.Product):
        product = await create(client)

    assert product["name"] == "LAMP"
    assert [each.body["instance"]["name"] for each in await announced(catalog)] == ["LAMP"] * 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_transaction_that_fails_after_its_signals_is_silent(
    client: httpx2.AsyncClient, catalog: Catalog, method: str
) -> None:
    product = await create(client)

    def fail(event: Event[Any]) -> None:
        raise RuntimeError("broken")

    with (
        listening(post_save, fail, models.Product),
        listening(pre_delete, fail, models.Product),
        capture_logs(),
    ):
        answer = await client.request(
            method, f"/v1/products/{product['id']}", json={"name": "Torch"}
        )

    is_problem(answer, 500)
    assert (await client.get(f"/v1/products/{product['id']}")).json() == product
    assert len(await announced(catalog)) == 2


async def test_a_commit_that_fails_is_never_answered_with_success(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    async def lose_connection(session: Session) -> None:
        raise DatabaseUnavailable("the connection was lost")

    catalog.database.before_commit(lose_connection)

    answer = await client.post("/v1/products", json=PRODUCT)

    is_problem(answer, 503)
    assert "retry-after" in answer.headers
    assert await products(catalog) == []
    assert await announced(catalog) == []


async def test_two_patches_at_once_lose_neither(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"

    answers = await asyncio.gather(
        *(
            client.patch(url, json={field: value})
            for field, value in (("name", "Torch"), ("price", "5.00"), ("description", "Bright"))
        )
    )

    assert sorted(each.json()["version"] for each in answers) == [2, 3, 4]
    now = (await client.get(url)).json()
    assert (now["name"], now["price"], now["description"]) == ("Torch", "5.00", "Bright")
    sequences = [each.sequence for each in await announced(catalog)]
    assert sequences == sorted(sequences)


async def test_products_are_listed_page_by_page_in_every_order(client: httpx2.AsyncClient) -> None:
    for sku, name, price, currency in (
        ("S-1", "b", "5.00", "EUR"),
        ("S-2", "a", "500", "JPY"),
        ("S-3", "b", "4.999", "KWD"),
        ("S-4", "c", "5.00", "EUR"),
        ("S-5", "d", "0.0001", "CLF"),
    ):
        await create(client, sku=sku, name=name, price=price, currency=currency)

    async def listed(sort: str, limit: int) -> list[str]:
        skus: list[str] = []
        params = {"sort": sort, "limit": str(limit)}
        while True:
            page = (await client.get("/v1/products", params=params)).json()
            assert len(page["items"]) <= limit
            skus += [each["sku"] for each in page["items"]]
            if page["next"] is None:
                return skus
            params["after"] = page["next"]

    for limit in (1, 2, 5, 200):
        for sort, order in (("created_at", "12345"), ("name", "21345"), ("price", "53142")):
            skus = [f"S-{each}" for each in order]
            assert await listed(sort, limit) == skus
            assert await listed(f"-{sort}", limit) == skus[::-1]


async def test_the_newest_products_are_listed_first(client: httpx2.AsyncClient) -> None:
    first = await create(client)
    second = await create(client, sku="A-2")

    assert (await client.get("/v1/products")).json() == {"items": [second, first], "next": None}


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ({"q": "LAMP"}, ["A-1"]),
        ({"q": "a-2"}, ["A-2"]),
        ({"q": "100%"}, ["A-2"]),
        ({"q": "_"}, []),
        ({"min_price": "20"}, ["A-2"]),
        ({"max_price": "19.99"}, ["A-1"]),
        ({"min_price": "20", "max_price": "499"}, []),
        ({"category": "019a0000-0000-7000-8000-000000000000"}, []),
    ],
)
async def test_a_list_holds_only_what_is_asked_for(
    client: httpx2.AsyncClient, query: dict[str, str], skus: list[str]
) -> None:
    await create(client)
    await create(client, sku="A-2", name="Torch", description="100%", price="500", currency="JPY")

    answer = await client.get("/v1/products", params=query)

    assert [each["sku"] for each in answer.json()["items"]] == skus


@sqlite_suffices
async def test_a_cursor_goes_on_only_where_it_was_given(client: httpx2.AsyncClient) -> None:
    await create(client)
    await create(client, sku="A-2")
    page = (await client.get("/v1/products", params={"sort": "name", "limit": 1})).json()

    answer = await client.get("/v1/products", params={"sort": "price", "after": page["next"]})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


@sqlite_suffices
async def test_writing_needs_the_scope(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    reader = token("catalog:read", "notifier:admin")

    for method, path in (("POST", "/v1/products"), ("PATCH", url), ("DELETE", url)):
        answer = await client.request(method, path, json=PRODUCT, headers=reader)
        assert "insufficient_scope" in answer.headers["www-authenticate"]
        is_problem(answer, 403)
    del client.headers["Authorization"]
    for method, path in (("POST", "/v1/products"), ("PATCH", url), ("DELETE", url)):
        is_problem(await client.request(method, path, json=PRODUCT), 401)
    assert len(await announced(catalog)) == 2
