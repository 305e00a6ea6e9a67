"""`/events/{event_id}`: the way of one event, from the request to the mail server."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from heliograph.events import event_type
from heliograph.web import GuardedRoute
from services.console.api.dependencies import TheConsole, Viewer
from services.console.api.pages import HEADERS, page
from services.console.masking import masked_text
from services.console.models import HeardEvent
from services.console.repositories.kin import Kin, KinRepository
from services.console.repositories.sign_in import SignedIn
from services.console.service import Console
from services.console.shelves.text import seen_by
from services.console.way import Body, Heard, Told, ask, differences, gap, timeline, under_way

FRESH_S = 10.0
"""So long after it was heard receivers may still be about to accept an event."""
MOST_OF_CHANGE = 12
"""Events of a change of which services are asked."""
_TIMES = 7
"""The version of UUIDs that begin with a time."""

router = APIRouter(prefix="/events", route_class=GuardedRoute, include_in_schema=False)


@router.get("/{event_id}")
async def show_event(console: TheConsole, viewer: Viewer, event_id: str) -> Response:
    id_ = _parsed(event_id)
    if id_ is None:
        return _no_id(viewer)
    event, kin = await _kept(console, id_)
    change = [] if event is None else _change(event, kin)
    others = [each.event_id for each in change if each.event_id != id_]
    told = await ask(console.peers, id_, others, outboxes=event is None)
    if event is None and not told.anything:
        return _unknown(console, viewer, id_, told)
    heard = [Heard(each.event_id, each.committed_at, each.heard_at) for each in change]
    lines = timeline(heard, told.receivers, told.emails)
    body = Body(b"" if event is None else event.body)
    say = partial(seen_by, viewer=viewer)
    return page(
        "way",
        viewer,
        path="/",
        event_id=id_,
        event=event,
        type=None if event is None else event_type(event.sender, event.signal),
        kin=kin,
        change={each.event_id: each for each in change},
        more_of_change=len(change) > 1 and len(kin.change) >= MOST_OF_CHANGE,
        told=told,
        lines=lines,
        under_way=under_way(lines) or bool(told.missing) or any(map(_fresh, change)),
        says=body.says,
        differences=differences(body.says.get("changes"), say),
        body=body.beginning(say),
        kept_days=console.kept.days,
        say=say,
        gap=gap,
    )


@router.get("/{event_id}/body")
async def download_body(console: TheConsole, viewer: Viewer, event_id: str) -> Response:
    id_ = _parsed(event_id)
    if id_ is None:
        return _no_id(viewer)
    async with console.database.reading() as session:
        event = await KinRepository(session).find(id_)
    if event is None:
        said = "The console does not keep the body of this event."
        return page("wrong", viewer, status=404, title="No such body", said=said)
    content = event.body
    if not viewer.acts:
        content = await asyncio.to_thread(Body(content).rewritten, masked_text)
    return Response(
        content,
        media_type="application/json",
        headers=HEADERS
        | {
            "Content-Disposition": f'attachment; filename="event-{id_}.json"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


async def _kept(console: Console, event_id: UUID) -> tuple[HeardEvent | None, Kin]:
    # Not for as long as services are asked: connections are few.
    async with console.database.reading() as session:
        repository = KinRepository(session)
        event = await repository.find(event_id)
        return event, Kin() if event is None else await repository.around(event)


def _change(event: HeardEvent, kin: Kin) -> Sequence[HeardEvent]:
    """The event among others of its change, in their order."""
    # Without a sequence nothing tells which events are of one change.
    others = kin.change[: MOST_OF_CHANGE - 1] if event.sequence else ()
    return sorted([event, *others], key=lambda each: (each.sequence or "", each.id))


def _fresh(event: HeardEvent) -> bool:
    return (datetime.now(UTC) - event.heard_at).total_seconds() < FRESH_S


def _parsed(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _no_id(viewer: SignedIn) -> Response:
    said = "This is no id of an event. One is a UUID, as 0197a3c2-5a5e-7cc3-9a4e-2f6d0c9b8e71."
    return page("wrong", viewer, status=404, title="No such event", said=said)


def _unknown(console: Console, viewer: SignedIn, event_id: UUID, told: Told) -> Response:
    made_at = None
    if event_id.version == _TIMES:
        made_at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    return page(
        "way_unknown",
        viewer,
        status=404,
        path="/",
        event_id=event_id,
        made_at=made_at,
        is_old=made_at is not None and datetime.now(UTC) - made_at > console.kept,
        kept_days=console.kept.days,
        told=told,
    )
