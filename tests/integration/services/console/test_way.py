"""The page of one event: its way, what it changed, and what is around it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import select, update
from starlette.types import Receive, Scope, Send

import contracts
from heliograph import pre_save
from heliograph.database import database_now
from heliograph.events import new_id
from heliograph.testing import SMTPServer, announce
from services.console import peers
from services.console.models import HeardEvent
from tests.integration.services.console.conftest import House, Tells
from tests.polling import until
from tests.samples import product

AT = "2026-03-01T12:00:00.000000Z"
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e" + "&" * 10_000


@pytest.fixture
def smtp_url(smtp_server: SMTPServer) -> str:
    return smtp_server.url


async def silence(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


def receiver(name: str, state: str = "done", **known: object) -> dict[str, object]:
    facts = {"attempts": 1, "accepted_at": AT, "started_at": AT, "finished_at": None}
    return {"receiver": name, "state": state, "reason": None, "failures": [], **facts, **known}


def tell(house: House, event_id: UUID, *receivers: Mapping[str, object], **more: object) -> None:
    """Let the notifier say this of an event, and more by paths."""
    path = f"/v1/inbox/events/{event_id}"
    answers = {path: {"event_id": str(event_id), "receivers": receivers}, **more}
    app = Tells(answers, house.notifier)
    house.wires.down["notifier"] = httpx2.ASGITransport(app=app)


async def heard(house: House, **known: object) -> dict[str, HeardEvent]:
    """The latest event that was heard of each signal."""
    async with house.console.database.reading() as session:
        query = select(HeardEvent).filter_by(**known).order_by(HeardEvent.id)
        return {each.signal: each for each in await session.scalars(query)}


async def announced(
    house: House, snapshot: contracts.Product | None = None, **details: Any
) -> UUID:
    """Have an event announced, and kept by the console."""
    event = await announce(house.catalog.bus, pre_save, snapshot or product(), **details)
    await until(lambda: heard(house, event_id=event.id))
    return event.id


@pytest.fixture
async def dropped(house: House) -> Mapping[str, HeardEvent]:
    """The events of a price that fell, of which somebody was told."""
    async with house.api("catalog", "catalog:write") as catalog:
        made = await catalog.post(
            "/v1/products",
            json={"sku": "LAMP-1", "name": "Desk lamp", "price": "19.99", "currency": "EUR"},
        )
        async with house.api("notifier", "notifier:admin") as notifier:
            wish = {"email": "ann@example.com", "topic": "price_drop"}
            assert (await notifier.post("/v1/subscriptions", json=wish)).status_code == 201
        path = f"/v1/products/{made.json()['id']}"
        assert (await catalog.patch(path, json={"price": "14.99"})).status_code == 200
    await house.drained()
    return await heard(house, sku="LAMP-1")


async def test_a_price_drops_page_shows_its_way_to_the_mail_server(
    house: House, admin: httpx2.AsyncClient, dropped: Mapping[str, HeardEvent]
) -> None:
    event = dropped["pre_save"]
    tell(house, event.event_id, receiver("email_price_drop", finished_at=AT))
    shown = (await admin.get(f"/events/{event.event_id}")).text
    for part in (
        "<h1><bdi>Desk lamp</bdi>: <bdi>price 19.99 → 14.99 EUR</bdi></h1>",
        "tester",
        f"/?trace={event.trace}",
        "Heard here",
        "email_price_drop",
        "1 email written",
        "ann@example.com",
        "/emails/notifier/1",
        "Message-ID",
        "taken by the mail server",
        "250 OK",
        f"/events/{dropped['post_save'].event_id}",
        f"/products/{event.subject}",
    ):
        assert part in shown, part
    assert shown.index("Committed") < shown.index("Heard here")


async def test_every_event_of_a_change_shows_the_way_of_all(
    house: House, admin: httpx2.AsyncClient, dropped: Mapping[str, HeardEvent]
) -> None:
    pages = {}
    for signal, event in dropped.items():
        shown = (await admin.get(f"/events/{event.event_id}")).text
        pages[signal] = way = shown[shown.index('class="way"') : shown.index("</ol>")]
        for part in ("email_price_drop", "1 email written", "ann@example.com"):
            assert part in way, (signal, part)
        assert "which announced 2 events" in shown
        assert "No receiver" not in shown
    pre_save = f'<a href="/events/{dropped["pre_save"].event_id}">'
    post_save = f'<a href="/events/{dropped["post_save"].event_id}">'
    assert f"announced <code>pre_save</code> and {post_save}" in pages["pre_save"]
    assert f"announced {pre_save}<code>pre_save</code></a> and <code>" in pages["post_save"]
    assert f'<span class="quiet">of {pre_save}' in pages["post_save"]
    assert f'<span class="quiet">of {pre_save}' not in pages["pre_save"]


async def test_a_change_of_many_events_is_told_in_part(
    house: House, admin: httpx2.AsyncClient
) -> None:
    snapshot = product()
    ids = [await announced(house, snapshot) for _ in range(14)]
    async with house.console.database.transaction() as session:
        await session.execute(update(HeardEvent).values(sequence="1.1"))
    shown = (await admin.get(f"/events/{ids[-1]}")).text
    assert "which announced more than 12 events" in shown
    way = shown[shown.index('class="way"') : shown.index("</ol>")]
    assert "<code>pre_save</code>" in way


async def test_what_was_redriven_says_so(house: House, admin: httpx2.AsyncClient) -> None:
    event_id = await announced(house)
    failures = [{"at": AT, "reason": "no"}] * 5
    tell(house, event_id, receiver("email_price_drop", failures=failures, finished_at=AT))
    shown = (await admin.get(f"/events/{event_id}")).text
    assert "Parked, and redriven later" in shown
    assert "1 attempt since it was redriven" in shown


async def test_events_of_the_same_product_lead_to_each_other(
    house: House, admin: httpx2.AsyncClient, dropped: Mapping[str, HeardEvent]
) -> None:
    async with house.console.database.reading() as session:
        in_order = select(HeardEvent.event_id).order_by(HeardEvent.sequence)
        before = [str(each) for each in await session.scalars(in_order)][:-2]
    shown = (await admin.get(f"/events/{dropped['post_save'].event_id}")).text
    _, change, earlier, later = (
        shown.index(f'id="{each}"') for each in ("kin", "same-change", "before", "after")
    )
    assert str(dropped["pre_save"].event_id) in shown[change:earlier]
    assert len(before) == 2
    assert all(each in shown[earlier:later] for each in before)


async def test_a_receiver_that_gave_up_is_shown_with_its_failures(
    house: House, admin: httpx2.AsyncClient
) -> None:
    event_id = await announced(house)
    failures = [{"at": AT, "reason": f"failure {each}"} for each in range(8)]
    row = receiver("email_price_drop", "parked", attempts=9, reason="no", failures=failures)
    items = [{"id": 41, "event_id": str(event_id), "receiver": "email_price_drop", "reason": "no"}]
    answers = {"/v1/inbox/parked": {"items": items, "next": None}}
    tell(house, event_id, row, receiver("purge_images", "held"), **answers)
    shown = (await admin.get(f"/events/{event_id}")).text
    assert all(f"failure {each}" in shown for each in range(8))
    assert "Of its failures the last 8 are kept" in shown
    assert "/parked/notifier/inbox/41" in shown
    assert "/parked?service=notifier&amp;receiver=purge_images" in shown


async def test_the_page_looks_again_while_something_is_under_way(
    house: House, admin: httpx2.AsyncClient
) -> None:
    event_id = await announced(house)
    async with house.console.database.transaction() as session:
        await session.execute(update(HeardEvent).values(heard_at=database_now(-3600)))
    for state, looks_again in (("pending", True), ("done", False), ("parked", False)):
        tell(house, event_id, receiver("email_price_drop", state))
        shown = (await admin.get(f"/events/{event_id}")).text
        assert ("data-under-way" in shown) == looks_again, state


async def test_what_a_service_does_not_tell_is_missing_and_the_rest_is_there_in_time(
    house: House,
    admin: httpx2.AsyncClient,
    dropped: Mapping[str, HeardEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house.wires.down["catalog"] = httpx2.ASGITransport(app=silence)
    # Two calls to one that is silent, one behind the other, would take longer than that.
    monkeypatch.setattr(peers, "DEADLINE_S", 4.0)
    async with asyncio.timeout(7):
        shown = (await admin.get(f"/events/{dropped['pre_save'].event_id}")).text
    assert "The part of <strong>catalog</strong> is missing: no answer within" in shown
    assert "ann@example.com" in shown
    house.wires.down["notifier"] = None
    shown = (await admin.get(f"/events/{dropped['pre_save'].event_id}")).text
    assert "The part of <strong>notifier</strong> is missing: cannot be reached" in shown
    assert "price 19.99 → 14.99" in shown


@pytest.mark.parametrize(
    "answer",
    ["nothing", {}, {"receivers": [{"receiver": "r"}]}, {"receivers": [receiver("r", "A b")]}],
)
async def test_an_answer_that_is_not_understood_is_missing(
    house: House, admin: httpx2.AsyncClient, answer: object
) -> None:
    event_id = await announced(house)
    tells = Tells({f"/v1/inbox/events/{event_id}": answer}, house.notifier)
    house.wires.down["notifier"] = httpx2.ASGITransport(app=tells)
    response = await admin.get(f"/events/{event_id}")
    assert response.status_code == 200
    assert "missing: its answer is not understood" in response.text


async def test_what_the_console_did_not_hear_is_told_by_the_services(
    house: House, admin: httpx2.AsyncClient
) -> None:
    event_id = new_id()
    tell(house, event_id, receiver("email_price_drop", "pending", reason="later"))
    response = await admin.get(f"/events/{event_id}")
    assert response.status_code == 200
    assert "An event that is not kept here" in response.text
    assert "email_price_drop" in response.text


async def test_what_the_broker_refused_is_found_in_its_outbox(
    house: House, admin: httpx2.AsyncClient
) -> None:
    event_id = new_id()
    items = [{"id": 3, "event_id": str(event_id), "reason": "too large"}]
    answers = {"/v1/outbox/parked": {"items": items, "next": None}}
    app = Tells(answers, house.catalog)
    house.wires.down["catalog"] = httpx2.ASGITransport(app=app)
    shown = (await admin.get(f"/events/{event_id}")).text
    assert "/parked/catalog/outbox/3" in shown
    assert "too large" in shown


async def test_an_event_that_nobody_knows_is_not_found_and_why_that_may_be(
    house: House, admin: httpx2.AsyncClient
) -> None:
    response = await admin.get(f"/events/{new_id()}")
    assert response.status_code == 404
    assert "keeps events for 7 days" in response.text
    assert "By its id it was made at" in response.text
    house.wires.down["catalog"] = None
    response = await admin.get(f"/events/{uuid4()}")
    assert response.status_code == 404
    assert "The part of <strong>catalog</strong> is missing" in response.text


@pytest.mark.parametrize("path", ["x", "0" * 5_000, "%00", "%F0%9F%92%A5", "x/body"])
async def test_what_is_no_id_is_not_found(admin: httpx2.AsyncClient, path: str) -> None:
    response = await admin.get(f"/events/{path}")
    assert response.status_code == 404
    assert "This is no id of an event" in response.text


async def test_nobody_looks_who_is_not_signed_in(house: House) -> None:
    async with house.browser() as stranger:
        for path in (f"/events/{new_id()}", f"/events/{new_id()}/body"):
            response = await stranger.get(path)
            assert response.headers["location"].startswith("/sign-in?next=%2Fevents%2F")


async def test_texts_of_strangers_are_texts(house: House, admin: httpx2.AsyncClient) -> None:
    before = product(description="<b>old</b>")
    after = product(
        id=before.id,
        name="<script>alert(2)</script>",
        description="<script>\u202e" + "& " * 4_000,
        version=2,
    )
    event_id = await announced(
        house, after, original=before, version=2, actor="<script>alert(3)</script>"
    )
    failures = [{"at": AT, "reason": HOSTILE}]
    tell(house, event_id, receiver("<script>", "parked", reason=HOSTILE, failures=failures))
    response = await admin.get(f"/events/{event_id}")
    assert response.status_code == 200
    assert "<script>" not in response.text
    assert "<b>" not in response.text
    assert "\x1b" not in response.text
    assert "\u202e" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text


async def test_who_only_looks_sees_no_address(
    house: House, reader: httpx2.AsyncClient, dropped: Mapping[str, HeardEvent]
) -> None:
    event = dropped["pre_save"]
    failures = [{"at": AT, "reason": "550 <bob@example.net>: no"}]
    tell(house, event.event_id, receiver("email_price_drop", failures=failures, finished_at=AT))
    shown = (await reader.get(f"/events/{event.event_id}")).text
    assert "a…@example.com" in shown
    assert "ann@example.com" not in shown
    assert "bob@example.net" not in shown
    assert "tester" in shown


async def test_a_body_is_downloaded_and_never_shown_by_itself(
    house: House, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    event_id = await announced(house, actor="ann@example.com")
    response = await admin.get(f"/events/{event_id}/body")
    assert response.json()["actor"] == "ann@example.com"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in response.headers["content-security-policy"]
    masked = (await reader.get(f"/events/{event_id}/body")).json()
    assert masked == response.json() | {"actor": "a…@example.com"}
    assert (await admin.get(f"/events/{uuid4()}/body")).status_code == 404


async def test_a_large_body_is_shown_in_part(house: House, admin: httpx2.AsyncClient) -> None:
    event_id = await announced(house)
    body = json.dumps({"instance": {"texts": ["x" * 1_000] * 1_000}}).encode()
    async with house.console.database.transaction() as session:
        await session.execute(update(HeardEvent).values(body=body, size=len(body)))
    shown = (await admin.get(f"/events/{event_id}")).text
    assert "Body: its first 64 KiB" in shown
    assert len(shown) < 100_000
    assert (await admin.get(f"/events/{event_id}/body")).content == body


async def test_services_tell_what_their_receivers_did(
    house: House, admin: httpx2.AsyncClient, dropped: Mapping[str, HeardEvent]
) -> None:
    shown = (await admin.get(f"/events/{dropped['pre_save'].event_id}")).text
    way = shown[shown.index('class="way"') : shown.index("</ol>")]
    assert "Accepted by" in way
    assert "email_price_drop" in way
