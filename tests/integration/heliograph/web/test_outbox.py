"""Events that the broker refused over REST, as every service offers them that announces."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from heliograph.http import Health, Metrics
from heliograph.outbox.parked import SHOWN_BYTES
from heliograph.web import create_app, outbox_router
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, outbox_rows
from tests.integration.heliograph.outbox.test_refusals import Broker, relayed
from tests.integration.heliograph.web.test_inbox import TOKENS
from tests.samples import event


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(
        "Tests",
        version="1",
        description="",
        tokens=TOKENS,
        health=Health(),
        metrics=Metrics(),
    )
    app.include_router(outbox_router("shop", house.outbox))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://shop",
        headers={"Authorization": f"Bearer {TOKENS.issue('admin', ['shop:admin'])}"},
    ) as client:
        yield client


@pytest.fixture
async def parked(house: House) -> list[int]:
    """Park three events of as many subjects; returns their ids."""
    sent = [event() for _ in range(3)]
    broker = Broker()
    broker.never = {str(each.id) for each in sent}
    await house.announce(*sent)
    await relayed(house, broker)
    return [each.id for each in await house.outbox.parked.page()]


async def rows(house: House) -> int:
    return (await house.outbox.status())[0]


async def test_parked_events_are_listed_by_page_without_their_bodies(
    client: httpx2.AsyncClient, parked: list[int]
) -> None:
    page = (await client.get("/v1/outbox/parked", params={"limit": 2})).json()
    rest = (await client.get("/v1/outbox/parked", params={"after": page["next"]})).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == parked
    assert rest["next"] is None
    assert page["items"][0]["reason"] == "PRECONDITION_FAILED - message size"
    assert page["items"][0]["bytes"] > 100
    assert not {"body", "headers"} & page["items"][0].keys()


async def test_one_parked_event_is_shown_in_full(
    client: httpx2.AsyncClient, parked: list[int]
) -> None:
    shown = (await client.get(f"/v1/outbox/parked/{parked[1]}")).json()
    assert shown["id"] == parked[1]
    assert shown["headers"]["ce-id"] == shown["event_id"]
    assert '"signal":"post_save"' in shown["body"]
    assert len(shown["body"].encode()) == shown["bytes"]
    assert (await client.get(f"/v1/outbox/parked/{parked[-1] + 1}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("ü".encode() * SHOWN_BYTES, "ü" * (SHOWN_BYTES // 2)),
        (b"a" + "ü".encode() * SHOWN_BYTES, "a" + "ü" * (SHOWN_BYTES // 2 - 1)),
        (b"\xff", "base64:/w=="),
        (b"", ""),
    ],
    ids=["huge", "cut in a character", "no text", "empty"],
)
async def test_a_body_is_text_and_cut_where_it_is_huge(
    client: httpx2.AsyncClient, house: House, parked: list[int], body: bytes, shown: str
) -> None:
    async with house.database.transaction() as session:
        await session.execute(update(outbox_rows).values(body=body))
    found = (await client.get(f"/v1/outbox/parked/{parked[0]}")).json()
    assert (found["body"], found["bytes"]) == (shown, len(body))


async def test_chosen_events_are_redriven_and_discarded(
    client: httpx2.AsyncClient, house: House, parked: list[int]
) -> None:
    first, second, third = parked
    redriven = await client.post("/v1/outbox/redrive", json={"ids": [first, third + 1]})
    discarded = await client.post("/v1/outbox/discard", json={"ids": [first, second]})
    assert redriven.json() == {"redriven": 1}
    assert discarded.json() == {"discarded": 1}
    broker = Broker()
    await relayed(house, broker)
    assert len(broker.copies) == 1
    assert [each.id for each in await house.outbox.parked.page()] == [third]


@pytest.mark.parametrize(("path", "verb"), [("redrive", "redriven"), ("discard", "discarded")])
async def test_all_are_taken_at_once(
    client: httpx2.AsyncClient, house: House, parked: list[int], path: str, verb: str
) -> None:
    answer = await client.post(f"/v1/outbox/{path}", json={"all": True})
    assert answer.json() == {verb: 3}
    assert await house.outbox.parked.page() == []
    broker = Broker()
    await relayed(house, broker)
    assert (len(broker.copies), await rows(house)) == (3 if path == "redrive" else 0, 0)


@pytest.mark.parametrize("body", [{}, {"ids": [1], "all": True}, {"ids": [0]}, []], ids=str)
@sqlite_suffices
async def test_an_unclear_choice_is_invalid_and_changes_nothing(
    client: httpx2.AsyncClient, house: House, parked: list[int], body: Any
) -> None:
    for path in ("redrive", "discard"):
        assert (await client.post(f"/v1/outbox/{path}", json=body)).status_code == 422
    assert len(await house.outbox.parked.page()) == 3


@sqlite_suffices
async def test_another_scope_is_not_let_in(client: httpx2.AsyncClient) -> None:
    other = {"Authorization": f"Bearer {TOKENS.issue('other', ['shop:write'])}"}
    for method, path in (
        ("GET", "parked"), ("GET", "parked/1"), ("POST", "redrive"), ("POST", "discard"),
    ):  # fmt: skip
        answer = await client.request(method, f"/v1/outbox/{path}", headers=other)
        assert answer.status_code == 403
