"""What is parked: seen, understood, redriven and discarded from the pages."""

import asyncio
import html
import json
import re
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx2
import pytest
import structlog
from PIL import Image
from sqlalchemy import update

from heliograph.service import Service
from heliograph.testing import advance
from services.console import peers
from services.console.repositories.sign_in import SignInRepository
from services.console.shelves import parked as shelves
from tests.integration.services.console.conftest import House, park
from tests.polling import until

NASTY = "<script>alert(1)</script>\x1b[31m\u202e\"'&" + "x" * 10_000


class Silent(httpx2.AsyncBaseTransport):
    """A service that never answers, or no longer behind its first page."""

    def __init__(self, app: httpx2.AsyncBaseTransport | None = None) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._app is None or request.url.params.get("after", "0") != "0":
            await asyncio.sleep(3600)
        assert self._app is not None
        return await self._app.handle_async_request(request)


def png() -> bytes:
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    return data.getvalue()


class Faltering(httpx2.AsyncBaseTransport):
    """The notifier, which goes away behind its first act."""

    def __init__(self, house: House) -> None:
        self._app = httpx2.ASGITransport(app=house.notifier.app({"api"}))
        self._acts = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._acts += request.method == "POST"
        if self._acts > 1:
            raise httpx2.ReadError("it went away", request=request)
        return await self._app.handle_async_request(request)


async def states(service: Service) -> dict[str, int]:
    return {state: count for (_, state), count in (await service.inbox.status()).items()}


async def confirmed(client: httpx2.AsyncClient, question: httpx2.Response) -> httpx2.Response:
    """Press the button of a question; returns the page of the outcome."""
    assert question.status_code == 200, question.text
    answer = await client.post("/parked/act", data=fields(question))
    assert answer.status_code == 303, answer.text
    return await client.get(answer.headers["location"])


def fields(question: httpx2.Response) -> dict[str, list[str]]:
    form = question.text.partition('action="/parked/act"')[2]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def group_of(listed: httpx2.Response) -> str:
    keys: set[str] = set(re.findall(r'name="group" value="(\w+)"', listed.text))
    [key] = keys
    return key


async def test_an_empty_shelf_says_so(reader: httpx2.AsyncClient) -> None:
    page = await reader.get("/parked")
    assert page.status_code == 200
    assert "Nothing is parked." in page.text


async def test_a_failing_receiver_is_found_understood_and_redriven(
    house: House, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = house.notifier.images

    async def fail(key: str) -> None:
        raise OSError("the store is away")

    monkeypatch.setattr(store, "delete", fail)
    async with house.api("catalog", "catalog:write", "catalog:read") as api:
        new = {"sku": "LAMP", "name": "A <b>lamp</b>", "price": "19.99", "currency": "EUR"}
        product = (await api.post("/v1/products", json=new)).json()
        image = {"file": ("lamp.png", png(), "image/png")}
        posted = await api.post(f"/v1/products/{product['id']}/images", files=image)
        assert posted.status_code == 201, posted.text
        assert (await api.delete(f"/v1/products/{product['id']}")).status_code == 204

    async def gives_up() -> bool:
        await advance(house.notifier, 3600)
        return "parked" in await states(house.notifier)

    await until(gives_up)

    async def hears() -> httpx2.Response | None:
        page = await admin.get("/parked?service=notifier&receiver=purge_images")
        return page if "A &lt;b&gt;lamp&lt;/b&gt;" in page.text else None

    listed = await until(hears)
    assert "purge_images" in listed.text
    assert "the store is away" in listed.text
    [path] = set(re.findall(r'href="(/parked/notifier/inbox/\d+)"', listed.text))
    one = await admin.get(path)
    assert re.search(r'href="/events/[0-9a-f-]{36}"', one.text)
    assert "&#34;sku&#34;: &#34;LAMP&#34;" in one.text

    monkeypatch.undo()
    row = path.removeprefix("/parked/")
    question = await admin.get("/parked/question", params={"act": "redrive", "row": row})
    assert "Redrive 1 event?" in question.text
    outcome = await confirmed(admin, question)
    assert "Redriven: 1 event" in outcome.text
    [event_id] = re.findall(r'/events/([0-9a-f-]{36})"', one.text)
    named = f'<a href="/events/{event_id}"><bdi>A &lt;b&gt;lamp&lt;/b&gt;</bdi></a>'
    assert named in outcome.text
    await house.drained()
    assert "parked" not in await states(house.notifier)
    again = await admin.get(outcome.url.path)
    assert again.text == outcome.text


async def test_a_group_is_discarded_and_the_log_says_by_whom(
    house: House, admin: httpx2.AsyncClient
) -> None:
    await park(house.notifier, 3)
    await park(house.catalog, 1, receiver="record_view", reason="other")
    listed = await admin.get("/parked?service=notifier")
    assert "no store …" in listed.text
    question = await admin.get(
        "/parked/question", params={"act": "discard", "group": group_of(listed)}
    )
    assert "Discard 3 events?" in question.text
    with structlog.testing.capture_logs() as lines:
        outcome = await confirmed(admin, question)
    assert "Discarded: 3 events" in outcome.text
    [line] = [each for each in lines if each["event"] == "discard parked events"]
    assert (line["person"], line["service"], line["done"]) == ("ada", "notifier", 3)
    assert await states(house.notifier) == {"discarded": 3}
    assert await states(house.catalog) == {"parked": 1}


async def test_an_outcome_names_events_that_it_was_for(
    house: House, admin: httpx2.AsyncClient
) -> None:
    await park(house.notifier, 22)
    await park(house.notifier, 1, receiver="other", reason="no store")
    listed = await admin.get("/parked")
    groups = re.findall(r'name="group" value="(\w+)"', listed.text)
    rows = re.findall(r'name="row" value="([^"]+)"', listed.text)
    chosen = {"act": "redrive", "group": groups, "row": rows}
    outcome = await confirmed(admin, await admin.get("/parked/question", params=chosen))
    assert "Redriven: 23 events" in outcome.text
    assert "They run again now; an event's page says what became of it." in outcome.text
    linked = re.findall(r'href="/events/([0-9a-f-]{36})"', outcome.text)
    assert linked == [str(UUID(int=i)) for i in range(20)]
    assert "and 3 more" in outcome.text


async def test_what_failed_alike_is_one_group(house: House, reader: httpx2.AsyncClient) -> None:
    await park(house.notifier, 7)
    await park(house.catalog, 2, receiver="record_view", reason="other")
    page = await reader.get("/parked")
    assert "9 events are parked, for 2 reasons" in page.text
    assert "The oldest 5 of 7" in page.text
    filtered = (await reader.get("/parked?service=notifier")).text
    assert "7 events are parked" in filtered
    assert "other" not in filtered


async def test_reasons_are_told_as_they_are(house: House, admin: httpx2.AsyncClient) -> None:
    long = "no file 2026/lamp-7.jpg: " + "long " * 50
    await park(house.notifier, 1, reason=long + "end")
    listed = await admin.get("/parked")
    # As the group's, and as the row's.
    assert listed.text.count(f"<bdi>{long}end</bdi>") == 2
    [row_id] = await park(house.catalog, 1, receiver="record_view", reason=long * 3 + "end")
    row = f"catalog/inbox/{row_id}"
    for path in ("/parked", f"/parked/question?act=discard&row={row}"):
        assert f"{long * 3}end" in (await admin.get(path)).text
    await park(house.notifier, 2, receiver="other")
    rows = re.findall(r'name="row" value="([^"]+)"', (await admin.get("/parked")).text)
    question = await admin.get("/parked/question", params={"act": "discard", "row": rows})
    assert "no store …" in question.text
    assert "no store 1" in question.text


async def test_events_that_are_held_behind_are_told(
    house: House, reader: httpx2.AsyncClient
) -> None:
    await park(house.notifier, 1, subject="lamp")
    await park(house.notifier, 1, subject="lamp", event_id="later", state="pending", reason=None)

    async def told() -> bool:
        page = await reader.get("/parked")
        return bool(re.search(r"Held behind all of this receiver</dt><dd>1<", page.text))

    # The sampler may have asked for the same figures a moment ago.
    await until(told)


async def test_what_fails_now_is_told_where_it_would_be_parked(
    house: House, reader: httpx2.AsyncClient
) -> None:
    assert "now and will run again" not in (await reader.get("/parked")).text
    await park(house.notifier, 2, state="pending", attempts=3)
    page = (await reader.get("/parked")).text
    assert "2 events fail now and will run again by themselves" in page
    assert "Nothing is parked." in page


async def test_two_people_redrive_the_same(house: House, admin: httpx2.AsyncClient) -> None:
    ids = await park(house.notifier, 2)
    rows = [f"notifier/inbox/{each}" for each in ids]
    question = await admin.get("/parked/question", params={"act": "discard", "row": rows})
    async with house.browser("console:admin") as other:
        theirs = await other.get("/parked/question", params={"act": "discard", "row": rows[0]})
        assert "Discarded: 1 event" in (await confirmed(other, theirs)).text
    outcome = await confirmed(admin, question)
    assert "Discarded: 1 event" in outcome.text
    assert "1 event was no longer parked" in outcome.text
    late = await admin.get("/parked/question", params={"act": "discard", "row": rows})
    assert "2 chosen events are no longer parked" in late.text
    assert "Nothing is left to discard" in late.text


async def test_what_was_cut_is_left_out_of_a_redrive(
    house: House, admin: httpx2.AsyncClient
) -> None:
    ids = await park(house.notifier, 2)
    table = house.notifier.inbox.table
    async with house.notifier.database.transaction() as session:
        await session.execute(update(table).where(table.c.id == ids[0]).values(size=5_000_000))
    rows = [f"notifier/inbox/{each}" for each in ids]
    question = await admin.get("/parked/question", params={"act": "redrive", "row": rows})
    assert "Redrive 1 event?" in question.text
    assert "only the beginning was kept" in question.text
    forced = fields(question) | {"chosen": [rows[0]]}
    answer = await admin.post("/parked/act", data=forced)
    outcome = await admin.get(answer.headers["location"])
    assert "it cannot be redriven, discard it" in outcome.text
    assert "1 event was left as they were" in outcome.text


async def test_who_only_looks_sees_no_address_and_does_not_act(
    house: House, reader: httpx2.AsyncClient
) -> None:
    [row_id] = await park(house.notifier, 1, reason="550 no bob@example.org here")
    listed = await reader.get("/parked")
    one = await reader.get(f"/parked/notifier/inbox/{row_id}")
    for page in (listed, one):
        assert "bob@example.org" not in page.text
        assert "ada@example.org" not in page.text
        assert 'name="act"' not in page.text
    assert "b…@example.org" in listed.text
    assert "a…@example.org" in one.text
    row = f"notifier/inbox/{row_id}"
    asked = await reader.get("/parked/question", params={"act": "discard", "row": row})
    assert asked.status_code == 403
    done = await reader.post("/parked/act", data={"act": "discard", "chosen": row, "csrf": "x"})
    assert done.status_code == 403
    assert await states(house.notifier) == {"parked": 1}


async def test_text_of_strangers_does_nothing(house: House, admin: httpx2.AsyncClient) -> None:
    nasty: dict[str, Any] = {
        "receiver": NASTY,
        "event_id": NASTY,
        "subject": NASTY,
        "routing_key": NASTY,
        "reason": NASTY,
        "headers": json.dumps({NASTY: NASTY}).encode(),
        "body": json.dumps({NASTY: NASTY}).encode(),
    }
    [row_id] = await park(house.notifier, 1, **nasty)
    listed = await admin.get("/parked")
    row = f"notifier/inbox/{row_id}"
    for page in (
        listed,
        await admin.get(f"/parked/{row}"),
        await admin.get("/parked/question", params={"act": "redrive", "row": row}),
    ):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
    filtered = await admin.get("/parked", params={"receiver": NASTY})
    assert "1 event is parked" in filtered.text


async def test_a_service_that_is_down_is_missing_and_the_others_are_not(
    house: House, admin: httpx2.AsyncClient
) -> None:
    [row_id] = await park(house.catalog, 1, receiver="record_view")
    house.wires.down["notifier"] = None
    page = await admin.get("/parked")
    assert "The part of <strong>notifier</strong> is missing" in page.text
    assert "record_view" in page.text
    rows = [f"catalog/inbox/{row_id}", "notifier/inbox/7"]
    question = await admin.get("/parked/question", params={"act": "discard", "row": rows})
    assert "Discard 1 event?" in question.text
    assert "1 chosen event is left out" in question.text
    house.wires.down["catalog"] = None
    outcome = await confirmed(admin, question)
    assert "cannot be reached" in outcome.text
    assert "it is not known whether they were discarded" in outcome.text
    assert (await admin.get("/parked/notifier/inbox/7")).status_code == 503


async def test_a_service_that_is_slow_keeps_nobody_waiting(
    house: House, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(house.catalog, 1, receiver="record_view")
    house.wires.down["notifier"] = Silent()
    monkeypatch.setattr(shelves, "DEADLINE_S", 1.0)
    monkeypatch.setattr(peers, "DEADLINE_S", 1.0)
    async with asyncio.timeout(30):
        page = await admin.get("/parked")
    assert "The part of <strong>notifier</strong> is missing: no answer within 1 s" in page.text


async def test_what_was_read_in_time_is_shown(
    house: House, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(house.notifier, 1100)
    app = httpx2.ASGITransport(app=house.notifier.app({"api"}))
    house.wires.down["notifier"] = Silent(app)
    monkeypatch.setattr(shelves, "DEADLINE_S", 5.0)
    page = await admin.get("/parked?service=notifier")
    assert "200 events are parked" in page.text
    assert "More is parked in the inbox of <strong>notifier</strong>" in page.text


async def test_a_failure_half_way_says_what_was_done(
    house: House, admin: httpx2.AsyncClient
) -> None:
    await park(house.notifier, 2500)
    listed = await admin.get("/parked")
    question = await admin.get(
        "/parked/question", params={"act": "discard", "group": group_of(listed)}
    )
    assert "Discard 2,500 events?" in question.text
    house.wires.down["notifier"] = Faltering(house)
    outcome = await confirmed(admin, question)
    assert "Discarded: 1,000 events" in outcome.text
    assert "500 events were left as they were" in outcome.text
    assert "of 1,000 events it is not known" in outcome.text
    assert await states(house.notifier) == {"discarded": 1000, "parked": 1500}


async def test_ten_thousand_parked_events_stand_on_the_page(
    house: House, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(house.notifier, 10_003)
    page = await admin.get("/parked")
    assert "10,000 events are parked" in page.text
    assert "More is parked in the inbox of <strong>notifier</strong>" in page.text
    assert len(page.content) < 100_000
    monkeypatch.setattr(shelves, "MOST", 20_000)
    group = group_of(page)
    question = await admin.get("/parked/question", params={"act": "discard", "group": group})
    assert "Discarded: 10,003 events" in (await confirmed(admin, question)).text
    assert await states(house.notifier) == {"discarded": 10_003}


async def test_pages_of_a_group(house: House, admin: httpx2.AsyncClient) -> None:
    ids = await park(house.notifier, 150)
    first = await admin.get("/parked")
    assert "Events 1 to 100 of 150" in first.text
    [later] = re.findall(r'href="([^"]*page=2)"', first.text)
    second = await admin.get(html.unescape(later))
    assert "Events 101 to 150 of 150" in second.text
    assert f"notifier/inbox/{ids[-1]}" in second.text


async def test_a_session_that_ends_before_the_act_leads_to_where_one_signs_in(
    house: House, admin: httpx2.AsyncClient
) -> None:
    [row_id] = await park(house.notifier, 1)
    question = await admin.get(
        "/parked/question", params={"act": "discard", "row": f"notifier/inbox/{row_id}"}
    )
    async with house.console.database.transaction() as session:
        for secret in admin.cookies.values():
            await SignInRepository(session).end(secret)
    answer = await admin.post("/parked/act", data=fields(question))
    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert await states(house.notifier) == {"parked": 1}


async def test_an_outcome_is_shown_to_whoever_acted(
    house: House, admin: httpx2.AsyncClient
) -> None:
    [row_id] = await park(house.notifier, 1)
    row = f"notifier/inbox/{row_id}"
    question = await admin.get("/parked/question", params={"act": "discard", "row": row})
    answer = await admin.post("/parked/act", data=fields(question))
    async with house.console.database.transaction() as session:
        link = await SignInRepository(session).make_link("bob", frozenset({"console:admin"}))
    async with house.browser() as bob:
        await bob.get(f"/sign-in/{link}")
        assert (await bob.get(answer.headers["location"])).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/parked/nobody/inbox/1", 404),
        ("/parked/notifier/inbox/1", 404),
        ("/parked/notifier/outbox/1", 404),
        ("/parked/question?act=redrive&row=notifier/inbox/0", 400),
        ("/parked/question?act=redrive&row=notifier/attic/1", 400),
        ("/parked/question?act=redrive&row=x", 400),
    ],
)
async def test_what_is_not_there_is_a_page(
    admin: httpx2.AsyncClient, path: str, status: int
) -> None:
    page = await admin.get(path)
    assert page.status_code == status
    assert "<h1>Parked</h1>" in page.text


async def test_nothing_chosen_is_said(admin: httpx2.AsyncClient) -> None:
    page = (await admin.get("/parked/question?act=redrive")).text
    assert "Nothing is chosen" in page
    assert "Choose at least one" in page
    assert '<a class="button second" href="/parked">' in page


async def test_an_event_alone_in_its_group_has_one_tick_box(
    house: House, admin: httpx2.AsyncClient
) -> None:
    await park(house.notifier, 1)
    page = (await admin.get("/parked")).text
    assert page.count('type="checkbox"') == 1
