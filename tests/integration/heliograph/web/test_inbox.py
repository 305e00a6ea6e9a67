"""Parked events over REST, as every service offers it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

import contracts
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.events import EventKind, encode
from heliograph.http import Health, Metrics
from heliograph.signals import QueuedReceiver
from heliograph.tokens import Tokens
from heliograph.web import create_app, inbox_router
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House
from tests.samples import event

TOKENS = Tokens(SecretStr("a key of the tests, long enough for HS256"), "shop")


async def note(event: Event[contracts.Product]) -> None:
    raise NotImplementedError


NOTE = QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())


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
    app.include_router(inbox_router("shop", house.inbox))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://shop",
        headers={"Authorization": f"Bearer {TOKENS.issue('admin', ['shop:admin'])}"},
    ) as client:
        yield client


@pytest.fixture
async def parked(house: House) -> list[int]:
    """Park three events; returns their ids."""
    messages = [encode(event()) for _ in range(3)]
    deliveries = [
        Delivery("shop.note", each.routing_key, each.headers, each.body, each.id)
        for each in messages
    ]
    await house.accept(NOTE, deliveries, gave_up="nobody took them")
    return [each.id for each in await house.inbox.parked.page()]


async def states(house: House) -> dict[str, int]:
    return {state: count for (_, state), count in (await house.inbox.status()).items()}


async def test_parked_events_are_listed_by_page(
    client: httpx2.AsyncClient, parked: list[int]
) -> None:
    page = (await client.get("/v1/inbox/parked", params={"limit": 2})).json()
    rest = (await client.get("/v1/inbox/parked", params={"after": page["next"]})).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == parked
    assert rest["next"] is None
    assert page["items"][0]["receiver"] == "note"
    assert page["items"][0]["reason"] == "nobody took them"


@sqlite_suffices
@pytest.mark.parametrize(("limit", "status"), [(200, 200), (201, 422), (0, 422)])
async def test_a_page_of_what_is_parked_has_the_limits_of_every_list(
    client: httpx2.AsyncClient, limit: int, status: int
) -> None:
    answer = await client.get("/v1/inbox/parked", params={"limit": limit})
    assert answer.status_code == status


async def test_one_parked_event_is_shown_in_full(
    client: httpx2.AsyncClient, parked: list[int]
) -> None:
    shown = (await client.get(f"/v1/inbox/parked/{parked[1]}")).json()
    assert shown["id"] == parked[1]
    assert shown["headers"]["ce-id"] == shown["event_id"]
    assert '"signal":"post_save"' in shown["body"]
    assert (await client.get(f"/v1/inbox/parked/{parked[-1] + 1}")).status_code == 404


async def test_chosen_events_are_redriven_and_discarded(
    client: httpx2.AsyncClient, house: House, parked: list[int]
) -> None:
    first, second, third = parked
    redriven = await client.post("/v1/inbox/redrive", json={"ids": [float(first), third + 1]})
    discarded = await client.post("/v1/inbox/discard", json={"ids": [first, second]})
    assert redriven.json() == {"redriven": 1}
    assert discarded.json() == {"discarded": 1}
    assert await states(house) == {"pending": 1, "discarded": 1, "parked": 1}


async def test_what_was_cut_is_told_by_its_size_and_not_redriven(
    client: httpx2.AsyncClient, house: House, parked: list[int]
) -> None:
    huge = Delivery("shop.note", "catalog.product.post_save", {"a": "b"}, b"x" * 1_000_000)
    await house.accept(NOTE, [huge])
    listed = (await client.get("/v1/inbox/parked")).json()["items"]
    assert [each["size"] for each in listed] == [None, None, None, 1_000_009]
    assert not any({"body", "headers"} & each.keys() for each in listed)
    id_ = listed[3]["id"]
    shown = (await client.get(f"/v1/inbox/parked/{id_}")).json()
    assert (len(shown["body"]), shown["headers"]) == (65_536, {"a": "b"})
    refused = await client.post("/v1/inbox/redrive", json={"ids": [parked[0], id_]})
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        f"Only the beginning was kept of what is parked under {id_}: "
        "it cannot be redriven, discard it."
    )
    assert await states(house) == {"parked": 4}
    redriven = await client.post("/v1/inbox/redrive", json={"all": True})
    assert redriven.json() == {"redriven": 3}
    discarded = await client.post("/v1/inbox/discard", json={"ids": [id_]})
    assert discarded.json() == {"discarded": 1}


@pytest.mark.parametrize(
    ("path", "answer", "left"),
    [
        ("redrive", {"redriven": 3}, {"pending": 3}),
        ("discard", {"discarded": 3}, {"discarded": 3}),
    ],
)
async def test_all_are_taken_at_once(
    client: httpx2.AsyncClient,
    house: House,
    parked: list[int],
    path: str,
    answer: dict[str, int],
    left: dict[str, int],
) -> None:
    assert (await client.post(f"/v1/inbox/{path}", json={"all": True})).json() == answer
    assert await states(house) == left


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": [1], "all": True},
        {"all": False},
        {"all": None},
        {"all": 1},
        {"ids": None},
        {"ids": [2**63]},
        {"ids": [0]},
        {"ids": ["1"]},
        {"ids": [1.5]},
        {"ids": [True]},
        {"ids": [1], "why": "because"},
        [],
    ],
    ids=str,
)
@sqlite_suffices
async def test_an_unclear_choice_is_invalid_and_changes_nothing(
    client: httpx2.AsyncClient, house: House, parked: list[int], body: Any
) -> None:
    for path in ("redrive", "discard"):
        answer = await client.post(f"/v1/inbox/{path}", json=body)
        assert answer.status_code == 422
    assert await states(house) == {"parked": 3}


@sqlite_suffices
async def test_numbers_beyond_the_database_are_invalid(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"/v1/inbox/parked/{2**63}")).status_code == 422
    assert (await client.get(f"/v1/inbox/parked?after={2**63}")).status_code == 422


@sqlite_suffices
async def test_another_scope_is_not_let_in(client: httpx2.AsyncClient) -> None:
    other = {"Authorization": f"Bearer {TOKENS.issue('other', ['shop:write'])}"}
    assert (await client.get("/v1/inbox/parked", headers=other)).status_code == 403
    assert (
        await client.post("/v1/inbox/redrive", headers=other, json={"all": True})
    ).status_code == 403


async def test_what_became_of_an_event_is_told_by_receiver(
    client: httpx2.AsyncClient, house: House
) -> None:
    sent = event()
    message = encode(sent)
    delivery = Delivery("shop.note", message.routing_key, message.headers, message.body, message.id)
    await house.accept(NOTE, [delivery])
    path = f"/v1/inbox/events/{sent.id}"
    [pending] = (await client.get(path)).json()["receivers"]
    assert pending.pop("accepted_at").endswith("Z")
    assert pending == {
        "receiver": "note", "state": "pending", "attempts": 0, "started_at": None,
        "finished_at": None, "reason": None, "failures": [],
    }  # fmt: skip

    claimed = await house.inbox.claim(NOTE, 1, attempts=8)
    await house.inbox.park(claimed, "no light today")
    told = (await client.get(path)).json()
    assert told.keys() == {"event_id", "receivers"}
    assert told["event_id"] == str(sent.id)
    [parked] = told["receivers"]
    assert (parked["state"], parked["reason"]) == ("parked", "no light today")
    assert parked["started_at"].endswith("Z")
    [failure] = parked["failures"]
    assert failure["at"].endswith("Z")
    assert failure["reason"] == "no light today"


async def test_what_was_never_an_event_is_found_under_the_id_that_we_gave_it(
    client: httpx2.AsyncClient, house: House
) -> None:
    await house.accept(NOTE, [Delivery("shop.note", "k", {}, b"{", None)])
    [parked] = await house.inbox.parked.page()
    assert parked.event_id.startswith("malformed:")
    for written in (parked.event_id, parked.event_id.replace(":", "%3A")):
        told = (await client.get(f"/v1/inbox/events/{written}")).json()
        assert told["event_id"] == parked.event_id
        assert [each["state"] for each in told["receivers"]] == ["parked"]


async def test_an_event_that_nobody_has_got_is_not_found(client: httpx2.AsyncClient) -> None:
    unknown = "019a0000-0000-7000-8000-000000000000"
    for written in (
        unknown, "lamp", "%E0%A4%B9", "a%2Fb", "%25_'%22%3B--", "%ED%A0%80", "%FF", "x" * 200,
    ):  # fmt: skip
        answer = await client.get(f"/v1/inbox/events/{written}")
        assert answer.status_code == 404, written
        assert answer.json()["type"].endswith("not-found")


async def test_what_no_id_can_be_is_invalid(client: httpx2.AsyncClient) -> None:
    for written in ("x" * 201, "%00", "a%00b", "%0A", "%20"):
        answer = await client.get(f"/v1/inbox/events/{written}")
        assert answer.status_code == 422, written
        [error] = answer.json()["errors"]
        assert error["parameter"] == "event_id"
