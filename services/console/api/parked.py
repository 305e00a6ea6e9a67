"""What is parked: at all services, by receiver and reason, and one by one."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from heliograph.web import GuardedRoute
from services.console.api.dependencies import TheConsole, Viewer
from services.console.api.pages import page
from services.console.peers import PeerError
from services.console.repositories.names import names_of
from services.console.shelves.acts import LARGEST_ID
from services.console.shelves.failing import failing_of
from services.console.shelves.groups import grouped
from services.console.shelves.looking import look
from services.console.shelves.parked import MOST, Box, read_parked
from services.console.shelves.text import body_seen_by
from services.console.visible import visible

HERE = "/parked"
GROUPS = 20
"""Groups of a page."""
ROWS = 100
"""Events of a page that shows one group."""
FEW = 5
"""Events of each group, where there are several."""

router = APIRouter(prefix=HERE, route_class=GuardedRoute, include_in_schema=False)


@router.get("")
async def show_all(
    console: TheConsole,
    viewer: Viewer,
    service: str = "",
    receiver: str = "",
    reason: str = "",
    number: Annotated[int, Query(alias="page", ge=1, le=MOST)] = 1,
) -> Response:
    found, failing = await asyncio.gather(look(console.peers), console.peers.ask(failing_of))
    everything = grouped(found.events)
    groups = [
        each
        for each in everything
        if service in ("", each.service)
        and visible(receiver) in ("", visible(each.receiver))
        and reason in ("", each.key)
    ]
    alone = len(groups) == 1
    step, start = (ROWS, (number - 1) * ROWS) if alone else (GROUPS, (number - 1) * GROUPS)
    shown = [
        (each, each.events[start : start + ROWS] if alone else each.events[:FEW])
        for each in (groups if alone else groups[start : start + GROUPS])
    ]
    async with console.database.reading() as session:
        names = await names_of(session, (row.event_id for _, rows in shown for row in rows))
    given = {"service": service, "receiver": receiver, "reason": reason}
    query = {name: value for name, value in given.items() if value}
    total = sum(len(each.events) for each in groups)
    return page(
        "parked",
        viewer,
        path=HERE,
        look=found,
        shown=shown,
        names=names,
        total=total,
        failing=sum(len(each.value.items) for each in failing if each.value),
        groups=len(groups),
        alone=alone,
        given=given,
        services=[each.name for each in console.peers],
        receivers=sorted({visible(each.receiver) for each in everything} | {visible(receiver)}),
        earlier=f"{HERE}?{urlencode(query | {'page': number - 1})}" if number > 1 else None,
        later=f"{HERE}?{urlencode(query | {'page': number + 1})}"
        if (total if alone else len(groups)) > start + step
        else None,
        start=start,
    )


@router.get("/{service}/{box}/{id}")
async def show_one(
    console: TheConsole,
    viewer: Viewer,
    service: str,
    box: Box,
    id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
) -> Response:
    peer = console.peers.named(service)
    if peer is None:
        return wrong(viewer, 404, "The console was told of no such service.")
    try:
        event = await read_parked(peer, box, id)
    except PeerError as error:
        if error.status == 404:  # noqa: PLR2004
            said = "No event is parked under this id: it was redriven or discarded, or never was."
            return wrong(viewer, 404, said)
        return wrong(viewer, 503, f"{service}: {error.why}.")
    async with console.database.reading() as session:
        names = await names_of(session, [event.event_id])
    return page(
        "parked_one",
        viewer,
        path=HERE,
        event=event,
        name=names.get(event.event_id),
        body=body_seen_by(event.body, viewer),
    )


def wrong(viewer: Viewer, status: int, said: str) -> Response:
    """Answer with a page that says what is wrong."""
    back = (HERE, "To what is parked")
    return page("wrong", viewer, status=status, path=HERE, title="Parked", said=said, back=back)
