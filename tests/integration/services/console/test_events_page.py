"""The page of events, and its stream."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import update

from heliograph.database import database_now
from heliograph.service import HttpServer, bind
from heliograph.service.http_server import HTTP_GRACE
from services.console import live
from services.console.api import events
from services.console.models import BrowserSession
from services.console.repositories.events import EventRepository
from services.console.repositories.listed import Filters
from services.console.shelves.text import shown
from tests.integration.services.console.conftest import House
from tests.polling import until
from tests.samples import event, product

COOKIE = "heliograph-console-80"
LAMP = {"sku": "LAMP-1", "name": "Lamp", "price": "19.99", "currency": "EUR"}
HOSTILE = "<script>alert(1)</script>\u202e & “" + "very " * 25


async def keep(house: House, *names: str) -> None:
    """Hear about products with these names."""
    heard = [event(product(name=each), body=b"{}", actor="user-7") for each in names]
    async with house.console.database.transaction() as session:
        await EventRepository(session).keep(heard)


@asynccontextmanager
async def served(house: House) -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Task[None]]]:
    """Serve the console; gives its URL, what stops the server, and the server."""
    stopping = asyncio.Event()
    server = HttpServer(house.console.app({"api"}), bind("127.0.0.1", 0))
    running = asyncio.create_task(server.run(stopping))
    await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{server.port}", stopping, running
    finally:
        stopping.set()
        await running


class Stream:
    """A browser's `EventSource`: what it was sent, by the names of the messages."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> tuple[str, Any]:
        """The next message; raises `StopAsyncIteration` if the stream ends."""
        name, data = "", ""
        async with asyncio.timeout(20):
            while (line := await anext(self._lines)) or not name:
                field, _, value = line.partition(": ")
                name = value if field == "event" else name
                data = value if field == "data" else data
        return name, json.loads(data) if name == "events" else data


@asynccontextmanager
async def watching(url: str, browser: httpx2.AsyncClient, query: str = "") -> AsyncIterator[Stream]:
    headers = {"Accept-Encoding": "gzip", "Cookie": f"{COOKIE}={browser.cookies.get(COOKIE, '')}"}
    async with (
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
        client.stream("GET", f"/events/stream{query}") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in response.headers
        yield Stream(response.aiter_lines())


async def test_the_page_tells_what_changed(house: House, reader: httpx2.AsyncClient) -> None:
    async with house.api("catalog", "catalog:write") as catalog:
        made = (await catalog.post("/v1/products", json=LAMP)).json()
        path = f"/v1/products/{made['id']}"
        await catalog.patch(path, json={"price": "14.99"})
        await catalog.get(path)
        await catalog.delete(path)
    await house.drained()
    shown = (await reader.get("/")).text
    for words in ("price 19.99 → 14.99 EUR", "created at 19.99 EUR", "deleted", "tester", "LAMP-1"):
        assert words in shown
    assert shown.index("deleted") < shown.index("14.99") < shown.index("created at")
    assert "Products were viewed <strong>1</strong> time since" in shown
    async with house.console.database.reading() as session:
        newest = await EventRepository(session).heard_since(0, (), 1)
    assert f'href="/events/{newest[0].event_id}"' in shown
    assert "This product was viewed" in (await reader.get(f"/?product={made['id']}")).text


async def test_without_an_event_the_page_says_so(house: House, reader: httpx2.AsyncClient) -> None:
    assert "No event was heard within 7 days." in (await reader.get("/")).text
    found = (await reader.get("/", params={"q": "nothing", "signal": ""})).text
    assert "No event that was heard within 7 days is like that." in found


async def test_pages_lead_to_older_events_and_back(
    house: House, reader: httpx2.AsyncClient
) -> None:
    await keep(house, *(f"Lamp {each:03}" for each in range(120)))

    def names(page: str) -> list[int]:
        return [int(each[:3]) for each in page.split("<bdi>Lamp ")[1:]]

    def link(page: str, rel: str) -> str:
        before = page.split(f'" rel="{rel}"', maxsplit=1)[0]
        return before.rpartition('href="')[2].replace("&amp;", "&")

    first = (await reader.get("/?q=lamp")).text
    assert names(first) == [*range(119, 69, -1)]
    assert 'rel="prev"' not in first
    second = (await reader.get(link(first, "next"))).text
    assert names(second) == [*range(69, 19, -1)]
    third = (await reader.get(link(second, "next"))).text
    assert names(third) == [*range(19, -1, -1)]
    assert 'rel="next"' not in third
    assert names((await reader.get(link(third, "prev"))).text) == names(second)
    assert names((await reader.get(link(second, "prev"))).text) == names(first)
    # Only what begins with the newest goes on as it comes.
    assert "data-stream" in first
    assert "data-stream" not in second


async def test_hostile_text_is_shown_as_text(house: House, reader: httpx2.AsyncClient) -> None:
    await keep(house, HOSTILE)
    params = {"q": "<script>", "actor": 'user-7" autofocus onfocus="x', "trace": "\0\x1b[31m'>"}
    shown = (await reader.get("/", params=params)).text
    assert "<script>alert" not in shown
    assert '" autofocus' not in shown
    shown = (await reader.get("/", params={"q": "<script>"})).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown


async def test_a_product_that_is_no_id_is_said(house: House, reader: httpx2.AsyncClient) -> None:
    await keep(house, "Lamp")
    response = await reader.get("/?product=LAMP-1")
    assert response.status_code == 422
    assert "product must be the id of a product" in response.text
    assert "<bdi>Lamp</bdi>" not in response.text
    assert 'value="LAMP-1"' in response.text


async def test_an_address_is_searched_under_emails(
    reader: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    for browser, path in ((reader, "/emails"), (admin, "/emails?email=ada%40example.org")):
        page = await browser.get("/", params={"q": "ada@example.org"})
        assert f'emails are searched under <a href="{path}">Emails</a>' in page.text
        assert "searched under" not in (await browser.get("/", params={"q": "ada"})).text


@pytest.mark.parametrize("by", ["q", "actor", "origin"])
async def test_who_only_looks_learns_of_no_address_by_searching_for_it(
    house: House, reader: httpx2.AsyncClient, admin: httpx2.AsyncClient, by: str
) -> None:
    ada = "ada@example.org"
    sent = event(product(name=ada), body=b"{}", actor=ada, origin=ada)
    async with house.console.database.transaction() as session:
        await EventRepository(session).keep([sent])
    asked = {by: ada[:9]} if by == "q" else {by: ada}
    refused, found = [await each.get("/", params=asked) for each in (reader, admin)]
    assert (refused.status_code, found.status_code) == (422, 200)
    assert "you need the scope console:admin" in refused.text
    assert f"/events/{sent.id}" not in refused.text
    assert f"/events/{sent.id}" in found.text
    async with (
        served(house) as (url, _, _),
        watching(url, reader, f"?{urlencode(asked)}") as stream,
    ):
        assert (await stream.next())[0] == "refused"


async def test_who_is_not_signed_in_sees_nothing(house: House) -> None:
    async with house.browser() as stranger:
        assert (await stranger.get("/")).headers["location"] == "/sign-in"
        async with served(house) as (url, _, _), watching(url, stranger) as stream:
            assert (await stream.next())[0] == "signed-out"
            with pytest.raises(StopAsyncIteration):
                await stream.next()


async def test_events_come_as_they_are_heard(house: House, reader: httpx2.AsyncClient) -> None:
    await keep(house, "Teapot", "Lamp")
    async with served(house) as (url, _, _), watching(url, reader) as stream:
        name, first = await stream.next()
        assert (name, first["begins"], first["count"]) == ("events", True, 2)
        assert "<bdi>Teapot</bdi>" in first["rows"][0]["html"]
        await keep(house, HOSTILE)
        name, news = await stream.next()
        assert (name, news["begins"], news["count"]) == ("events", False, 1)
        (row,) = news["rows"]
        assert row["html"].startswith(f'<tr data-id="{row["id"]}">')
        assert "&lt;script&gt;alert(1)" in row["html"]
        assert "<script" not in row["html"]


async def test_who_only_looks_sees_no_address(
    house: House, reader: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    told = event(
        product(sku="bob@b.example", name="Lamp of eve@example.net"),
        changes={"name": {"from": "Lamp of ada@example.org", "to": "Lamp of eve@example.net"}},
        body=b"{}",
        actor="ann@example.com",
        origin="x@y.example",
    )
    async with house.console.database.transaction() as session:
        await EventRepository(session).keep([told])
    in_full = (
        "<bdi>ann@example.com</bdi>",
        "<bdi>x@y.example</bdi>",
        "<bdi>bob@b.example</bdi>",
        "<bdi>Lamp of eve@example.net</bdi>",
        "“Lamp of ada@example.org” → “Lamp of eve@example.net”",
    )
    masked = [re.sub(r"(\w)\w*@", r"\1…@", each) for each in in_full]
    async with (
        served(house) as (url, _, _),
        watching(url, admin) as of_admin,
        watching(url, reader) as of_reader,
    ):
        for browser, stream, words, others in (
            (admin, of_admin, in_full, masked),
            (reader, of_reader, masked, in_full),
        ):
            _, first = await stream.next()
            for told_of in (first["rows"][0]["html"], (await browser.get("/")).text):
                assert all(each in told_of for each in words)
                assert not any(each in told_of for each in others)


async def test_a_row_is_made_once_for_all_who_may_see_the_same(
    house: House,
    reader: httpx2.AsyncClient,
    admin: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts: list[str] = []

    def counted(text: str, *, acts: bool) -> str:
        texts.append(text)
        return shown(text, acts=acts)

    monkeypatch.setattr(events, "shown", counted)
    async with (
        served(house) as (url, _, _),
        watching(url, admin) as one,
        watching(url, admin) as two,
        watching(url, reader) as three,
        watching(url, reader) as four,
    ):
        streams = (one, two, three, four)
        for each in streams:
            await each.next()
        await keep(house, "Lamp")
        for each in streams:
            assert (await each.next())[1]["count"] == 1
    assert texts.count("Lamp") == 2


async def test_a_stream_is_filtered_as_its_page_is(
    house: House, reader: httpx2.AsyncClient
) -> None:
    async with served(house) as (url, _, _), watching(url, reader, "?q=lamp") as stream:
        assert (await stream.next())[1]["rows"] == []
        await keep(house, "Teapot", "Lamp 1")
        _, news = await stream.next()
        assert news["count"] == 1
        assert "Lamp 1" in news["rows"][0]["html"]
        async with watching(url, reader, "?product=LAMP-1") as wrong:
            assert (await wrong.next())[0] == "refused"


async def test_a_burst_is_counted_and_only_its_newest_are_sent(
    house: House, reader: httpx2.AsyncClient
) -> None:
    async with served(house) as (url, _, _), watching(url, reader) as stream:
        await stream.next()
        await keep(house, *(f"Lamp {each}" for each in range(700)))
        count, rows = 0, []
        while count < 700:
            _, news = await stream.next()
            assert len(news["rows"]) <= live.MOST_SHOWN
            count += news["count"]
            rows += news["rows"]
        assert count == 700
        assert "<bdi>Lamp 699</bdi>" in rows[-1]["html"]


async def test_one_reader_reads_for_all(
    house: House, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    heard_since = EventRepository.heard_since

    async def counted(self: EventRepository, *given: Any) -> Any:
        found = await heard_since(self, *given)
        looks.extend(each.id for each in found)
        return found

    monkeypatch.setattr(EventRepository, "heard_since", counted)
    async with (
        served(house) as (url, _, _),
        watching(url, reader) as one,
        watching(url, reader, "?signal=post_save") as other,
    ):
        await one.next()
        await other.next()
        await until(lambda: house.console.live.is_reading)
        await keep(house, "Lamp", "Teapot")
        assert (await one.next())[1]["count"] == (await other.next())[1]["count"] == 2
    assert len(looks) == 2
    await until(lambda: not house.console.live.is_reading)


async def test_a_stream_ends_with_its_session(
    house: House, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SESSIONS_S", 0.0)
    async with served(house) as (url, _, _), watching(url, reader) as stream:
        await stream.next()
        async with house.console.database.transaction() as session:
            await session.execute(update(BrowserSession).values(expires_at=database_now(-1)))
        assert (await stream.next())[0] == "signed-out"
        with pytest.raises(StopAsyncIteration):
            await stream.next()


async def test_a_stream_ends_when_its_program_stops(
    house: House, reader: httpx2.AsyncClient
) -> None:
    async with served(house) as (url, stopping, running), watching(url, reader) as stream:
        await stream.next()
        stopping.set()
        async with asyncio.timeout(HTTP_GRACE / 2):
            with pytest.raises(StopAsyncIteration):
                await stream.next()
            await running


async def test_one_stream_too_many_is_refused(
    house: House, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_WATCHERS", 1)
    async with served(house) as (url, _, _):
        async with watching(url, reader) as first:
            await first.next()
            async with watching(url, reader) as second:
                name, said = await second.next()
            assert (name, said) == ("refused", "more than 1 browsers cannot watch at once")

        async def let_in() -> bool:
            async with watching(url, reader) as third:
                return (await third.next())[0] == "events"

        await until(let_in)


async def test_a_browser_that_reads_nothing_holds_few_events(house: House) -> None:
    async with house.console.live.watch(Filters(), "nobody") as watcher:
        async with house.console.database.transaction() as session:
            await EventRepository(session).keep(
                [event(product(), body=b"{}") for _ in range(live.MOST_SHOWN * 4)]
            )
        async with house.console.database.reading() as session:
            found = await EventRepository(session).heard_since(0, (), 1_000)
        for each in found:
            watcher.offer([each])
        news = await watcher.news()
    assert news.count >= len(found) == live.MOST_SHOWN * 4
    assert len(news.shown) == live.MOST_SHOWN
    assert news.shown[-1].id == found[-1].id


async def test_the_reader_goes_on_when_the_database_was_away(
    house: House, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_since = EventRepository.heard_since
    failures = [RuntimeError("once"), RuntimeError("twice")]

    async def failing(self: EventRepository, *given: Any) -> Any:
        if failures:
            raise failures.pop()
        return await heard_since(self, *given)

    async with served(house) as (url, _, _), watching(url, reader) as stream:
        await stream.next()
        monkeypatch.setattr(EventRepository, "heard_since", failing)
        await keep(house, "Lamp")
        assert (await stream.next())[1]["count"] == 1
    assert not failures
