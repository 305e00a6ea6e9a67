"""The ledgers of emails, and an email as its recipient sees it."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from heliograph.web import GuardedRoute
from services.console.api.dependencies import NOT_BY_ADDRESS, NotAllowed, TheConsole, Viewer
from services.console.api.pages import HEADERS, page
from services.console.peers import Answer, Peer, PeerError
from services.console.repositories.names import names_of
from services.console.shelves.acts import LARGEST_ID
from services.console.shelves.ledger import (
    STATES,
    EmailContent,
    LedgerPage,
    Person,
    read_content,
    read_ledger,
    read_person,
    read_row,
)

HERE = "/emails"

SANDBOX = HEADERS | {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
}
"""Of an email: it runs nothing, loads nothing, sends nothing and opens nothing."""

_LINK = re.compile(r"(<a\b[^>]*?\s)href(?=\s*=)", re.IGNORECASE)

RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]

router = APIRouter(prefix=HERE, route_class=GuardedRoute, include_in_schema=False)


@router.get("")
async def show_ledger(
    console: TheConsole,
    viewer: Viewer,
    service: str = "",
    event_id: str = "",
    email: str = "",
    state: str = "",
    after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> Response:
    if email and not viewer.acts:
        raise NotAllowed(NOT_BY_ADDRESS)
    event_id, email = event_id.strip(), email.strip()
    given = {"service": service, "event_id": event_id, "email": email, "state": state}
    objection = _objection(event_id, state)
    answers: list[Answer[LedgerPage]] = []
    people: list[Answer[Person]] = []
    if objection is None:
        filters = {"event_id": event_id or None, "email": email or None, "state": state or None}
        answers, people = await asyncio.gather(
            console.peers.ask(lambda peer: read_ledger(peer, after=after, **filters)),
            _people(console.peers.ask, email),
        )
        if email and any(each.error and each.error.status == 422 for each in answers):  # noqa: PLR2004
            objection = "Addresses are searched for as a whole, and this is none."
            answers, people = [], []
    ledgers = [each for each in answers if each.value and service in ("", each.service)]
    rows = [row for each in ledgers for row in (each.value.items if each.value else ())]
    async with console.database.reading() as session:
        names = await names_of(session, (row.event_id for row in rows))
    query = {name: value for name, value in given.items() if value}
    return page(
        "emails",
        viewer,
        status=200 if objection is None else 400,
        path=HERE,
        given=given,
        objection=objection,
        answers=answers,
        ledgers=ledgers,
        rows=rows,
        people=[each for each in people if service in ("", each.service)],
        names=names,
        states=STATES,
        now=datetime.now(UTC),
        services=[each.service for each in answers if each.value],
        older={
            each.service: f"{HERE}?"
            + urlencode(query | {"service": each.service, "after": each.value.next})
            for each in ledgers
            if each.value and each.value.next
        },
        newest=f"{HERE}?{urlencode(query)}" if after else None,
    )


@router.get("/{service}/{id}")
async def show_email(console: TheConsole, viewer: Viewer, service: str, id: RowId) -> Response:
    peer = console.peers.named(service)
    if peer is None:
        return _wrong(viewer, 404, "The console was told of no such service.")
    found, content = await asyncio.gather(
        read_row(peer, id), _content(peer, id, viewer), return_exceptions=True
    )
    if isinstance(found, PeerError):
        if found.status == 404:  # noqa: PLR2004
            return _wrong(viewer, 404, "There is no such email, or no longer.")
        return _wrong(viewer, 503, f"{service}: {found.why}.")
    if isinstance(found, BaseException):
        raise found
    if isinstance(content, BaseException) and not isinstance(content, PeerError):
        raise content
    async with console.database.reading() as session:
        names = await names_of(session, [found.event_id])
    return page(
        "email",
        viewer,
        path=HERE,
        service=service,
        row=found,
        name=names.get(str(found.event_id)),
        content=None if isinstance(content, PeerError) else content,
        why=content.why if isinstance(content, PeerError) else None,
    )


@router.get("/{service}/{id}/html")
async def show_html(console: TheConsole, viewer: Viewer, service: str, id: RowId) -> Response:
    if not viewer.acts:
        raise NotAllowed("To read emails you need the scope console:admin.")
    peer = console.peers.named(service)
    try:
        content = None if peer is None else await read_content(peer, id)
    except PeerError as error:
        return HTMLResponse("It cannot be shown now.", error.status or 503, SANDBOX)
    if content is None:
        return HTMLResponse("There is no such email.", 404, SANDBOX)
    return HTMLResponse(without_links(content.html), headers=SANDBOX)


def without_links(html: str) -> str:
    """The same, its links leading nowhere: nobody is to unsubscribe another by a slip."""
    return _LINK.sub(r"\1data-href", html)


async def _content(peer: Peer, id: int, viewer: Viewer) -> EmailContent | None:
    """None for who only looks: an email tells whom it is for, and what they wish."""
    return await read_content(peer, id) if viewer.acts else None


async def _people(ask: Any, email: str) -> list[Answer[Person]]:
    if not email:
        return []
    found: list[Answer[Person]] = await ask(lambda peer: read_person(peer, email))
    return found


def _objection(event_id: str, state: str) -> str | None:
    """What cannot be asked for."""
    if state not in ("", *STATES):
        return f"There is no such state: it is one of {', '.join(STATES)}."
    try:
        UUID(event_id or "0" * 32)
    except ValueError:
        return "An event's id is a UUID, such as 019a3f0e-5b7c-7c11-9d52-0242ac120002."
    return None


def _wrong(viewer: Viewer, status: int, said: str) -> Response:
    back = (HERE, "To all emails")
    return page("wrong", viewer, status=status, path=HERE, title="Emails", said=said, back=back)
