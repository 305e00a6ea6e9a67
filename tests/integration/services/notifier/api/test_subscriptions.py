"""Subscriptions over REST."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from services.notifier.service import Notifier
from tests.databases import sqlite_suffices

PRODUCT = "0190a1b2-0000-7000-8000-000000000001"
NEW = {"email": "ada@example.org", "topic": "new_product"}
DROP = {"email": "ada@example.org", "topic": "price_drop"}
TARGET = DROP | {"product_id": PRODUCT, "target_price": "15.00", "currency": "EUR"}


async def test_a_subscription_is_created_read_listed_and_deleted(
    client: httpx2.AsyncClient,
) -> None:
    created = await client.post("/v1/subscriptions", json=TARGET)
    assert created.status_code == 201
    body = created.json()
    assert body == TARGET | {"id": body["id"], "created_at": body["created_at"]}
    path = created.headers["Location"]
    assert path == f"/v1/subscriptions/{body['id']}"
    assert (await client.get(path)).json() == body
    assert (await client.get("/v1/subscriptions")).json() == {"items": [body], "next": None}
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404


async def test_the_same_subscription_is_kept_once(client: httpx2.AsyncClient) -> None:
    first = await client.post("/v1/subscriptions", json=DROP)
    second = await client.post("/v1/subscriptions", json=DROP | {"email": "Ada@EXAMPLE.org"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert "Location" not in second.headers


async def test_subscriptions_are_listed_by_page_and_filter(client: httpx2.AsyncClient) -> None:
    for body in (NEW, DROP, NEW | {"email": "bob@example.org"}):
        await client.post("/v1/subscriptions", json=body)
    page = (await client.get("/v1/subscriptions", params={"limit": 2})).json()
    assert [each["topic"] for each in page["items"]] == ["new_product", "price_drop"]
    rest = (
        await client.get("/v1/subscriptions", params={"limit": 2, "after": page["next"]})
    ).json()
    assert [each["email"] for each in rest["items"]] == ["bob@example.org"]
    assert rest["next"] is None
    found = (
        await client.get(
            "/v1/subscriptions", params={"email": "ADA@Example.org", "topic": "price_drop"}
        )
    ).json()["items"]
    assert [(each["email"], each["topic"]) for each in found] == [("ada@example.org", "price_drop")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        NEW | {"email": "ada"},
        NEW | {"email": "ada@example.org\r\nBcc: eve@example.org"},
        NEW | {"email": "ada\u0000@example.org"},
        NEW | {"email": "a" * 300 + "@example.org"},
        NEW | {"topic": "gossip"},
        NEW | {"unknown": 1},
        NEW | {"product_id": PRODUCT},
        DROP | {"product_id": "1"},
        DROP | {"currency": "EUR"},
        DROP | {"target_price": "15.00", "currency": "EUR"},
        DROP | {"product_id": PRODUCT, "target_price": "15.00"},
        TARGET | {"target_price": "0.00"},
        TARGET | {"target_price": "-1"},
        TARGET | {"target_price": "1.001"},
        TARGET | {"target_price": "1e1000000"},
        TARGET | {"target_price": "9" * 40},
        TARGET | {"target_price": 15},
        TARGET | {"target_price": "NaN"},
        TARGET | {"currency": "XXX"},
        TARGET | {"currency": "eur"},
        TARGET | {"currency": "JPY"},
    ],
)
@sqlite_suffices
async def test_a_subscription_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, body: Any
) -> None:
    refused = await client.post("/v1/subscriptions", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["errors"]
    assert (await client.get("/v1/subscriptions")).json()["items"] == []


@pytest.mark.parametrize("path", ["/v1/subscriptions", "/v1/notifications", "/v1/inbox/parked"])
@sqlite_suffices
async def test_nobody_reads_without_the_scope(
    public: httpx2.AsyncClient, notifier: Notifier, path: str
) -> None:
    assert (await public.get(path)).status_code == 401
    for scope, status in (("notifier:read", 403), ("catalog:admin", 401)):
        other = notifier.tokens.issue("someone", [scope])
        refused = await public.get(path, headers={"Authorization": f"Bearer {other}"})
        assert refused.status_code == status


@sqlite_suffices
async def test_an_id_that_is_none_is_invalid_and_a_stranger_is_not_found(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.get("/v1/subscriptions/1")).status_code == 422
    assert (await client.get(f"/v1/subscriptions/{uuid4()}")).status_code == 404
