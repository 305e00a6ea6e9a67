"""The list of events, and the stream of those that come while it is looked at."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from heliograph.text import printable
from heliograph.web import GuardedRoute
from services.console.api.dependencies import (
    NOT_BY_ADDRESS,
    NotSignedIn,
    Reading,
    TheConsole,
    Viewer,
    cookie_name,
    signed_in,
)
from services.console.api.pages import TEMPLATES, page
from services.console.live import News, TooManyWatchers, Watcher
from services.console.repositories.events import EventRepository
from services.console.repositories.listed import Filters, ListedEvent
from services.console.repositories.sign_in import SignedIn
from services.console.repositories.views import ViewRepository
from services.console.shelves.text import seen_by, shown

PAGE = 50
"""Events of a page."""
LONGEST_FILTER = 300
LARGEST_ID = 2**63 - 1

SIGNALS = ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed")
"""That the console hears, but for `viewed`, which is counted."""

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

Word = Annotated[str, Query(max_length=LONGEST_FILTER)]
Id = Annotated[int | None, Query(ge=0, le=LARGEST_ID)]


class NotAFilter(ValueError):
    """What was asked for can be in no event; says why."""


class Asked:
    """What a query asks for: `filters`, or with what is wrong in it `wrong`."""

    def __init__(self, **given: str) -> None:
        self.words = {name: printable(value.strip()) for name, value in given.items()}
        self.wrong: str | None = None
        self.filters = Filters()
        try:
            self.filters = _filters(self.words)
        except NotAFilter as error:
            self.wrong = str(error)

    def wrong_for(self, viewer: SignedIn) -> str | None:
        """What is wrong if this viewer asks: who only looks may not have an address confirmed."""
        texts = (self.words[name] for name in ("q", "actor", "origin"))
        if self.wrong is None and not viewer.acts and any("@" in each for each in texts):
            return NOT_BY_ADDRESS
        return self.wrong

    @property
    def query(self) -> dict[str, str]:
        """The filters that were given, as parameters of a query."""
        return {name: word for name, word in self.words.items() if word}


def _filters(words: dict[str, str]) -> Filters:
    given = {name: word or None for name, word in words.items()}
    product = given.pop("product")
    try:
        return Filters(product=None if product is None else UUID(product), **given)
    except ValueError:
        raise NotAFilter(
            "product must be the id of a product or of a category, a UUID: search for a SKU or "
            "a name instead"
        ) from None


async def _asked(
    q: Word = "",
    product: Word = "",
    signal: Word = "",
    actor: Word = "",
    origin: Word = "",
    trace: Word = "",
) -> Asked:
    return Asked(q=q, product=product, signal=signal, actor=actor, origin=origin, trace=trace)


TheFilters = Annotated[Asked, Depends(_asked)]


@router.get("/")
async def list_events(
    console: TheConsole,
    session: Reading,
    viewer: Viewer,
    asked: TheFilters,
    before: Id = None,
    after: Id = None,
) -> Response:
    repository = EventRepository(session)
    events: Sequence[ListedEvent] = ()
    wrong = asked.wrong_for(viewer)
    if wrong is None:
        # One more than are shown tells whether there are more.
        events = await repository.listed(asked.filters, before=before, after=after, limit=PAGE + 1)
    more = len(events) > PAGE
    if after is not None and not more:
        # From here on it is the first page, which goes on by itself.
        after = None
        events = await repository.listed(asked.filters, limit=PAGE + 1)
        more = len(events) > PAGE
    listed = events[:PAGE] if after is None else events[-PAGE:]
    is_first = before is None and after is None
    older = more if after is None else True
    since = (datetime.now(UTC) - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    return page(
        "events",
        viewer,
        status=200 if wrong is None else 422,
        path="/",
        events=listed,
        say=partial(seen_by, viewer=viewer),
        asked=asked.words,
        filtered=bool(asked.query),
        wrong=wrong,
        signals=SIGNALS,
        newer=None if is_first or not listed else _link(asked, after=listed[0].id),
        older=_link(asked, before=listed[-1].id) if older and listed else None,
        first=_link(asked),
        live=f"/events/stream?{urlencode(asked.query)}" if is_first and not wrong else None,
        views=await ViewRepository(session).since(since, asked.filters.product),
        since=since,
        kept_days=console.kept.days,
    )


def _link(asked: Asked, **at: int) -> str:
    query = urlencode({**asked.query, **at})
    return f"/?{query}" if query else "/"


@router.get("/events/stream", response_class=EventSourceResponse)
async def stream_events(
    request: Request, console: TheConsole, asked: TheFilters
) -> AsyncIterator[ServerSentEvent]:
    """Send `events`, the newest first of all, until the browser or its session leaves.

    A browser that is not signed in, or no longer, is sent `signed-out`; one too many is sent
    `refused` and why.
    """
    try:
        viewer = await signed_in(request, console)
        if (wrong := asked.wrong_for(viewer)) is not None:
            yield ServerSentEvent(event="refused", raw_data=wrong)
            return
        acts = viewer.acts
        secret = request.cookies[cookie_name(console)]
        async with console.live.watch(asked.filters, secret) as watcher:
            async with console.database.reading() as session:
                newest = await EventRepository(session).listed(asked.filters, limit=PAGE)
            yield _told(newest[::-1], len(newest), acts=acts, begins=True)
            stopping: asyncio.Event | None = getattr(request.state, "stopping", None)
            async for each in _news(watcher, stopping or asyncio.Event()):
                yield _told(each.shown, each.count, acts=acts)
    except NotSignedIn:
        yield ServerSentEvent(event="signed-out", raw_data="Nobody is signed in")
    except TooManyWatchers as error:
        yield ServerSentEvent(event="refused", raw_data=str(error))


async def _news(watcher: Watcher, stopping: asyncio.Event) -> AsyncIterator[News]:
    """What a watcher is told, until the program is to stop."""
    stopped = asyncio.create_task(stopping.wait())
    stopped.add_done_callback(lambda _: watcher.wake())
    try:
        while True:
            news = await watcher.news()
            if watcher.signed_out:
                raise NotSignedIn
            if stopping.is_set():
                return
            yield news
    finally:
        stopped.cancel()


def _told(
    events: Sequence[ListedEvent], count: int, *, acts: bool, begins: bool = False
) -> ServerSentEvent:
    """Rows for a list, oldest first: as HTML, for it is the same as the page's."""
    rows = [{"id": each.id, "html": _row(each, acts=acts)} for each in events]
    return ServerSentEvent(
        event="events",
        raw_data=json.dumps({"rows": rows, "count": count, "begins": begins}),
        # Milliseconds after which a browser comes back.
        retry=2_000 if begins else None,
    )


@lru_cache(maxsize=2_000)
def _row(event: ListedEvent, *, acts: bool) -> str:
    """The row of an event, made once for all who act, and once for all who only look."""
    parts = TEMPLATES.get_template("events_row.html.j2")
    return parts.render(event=event, say=partial(shown, acts=acts))
