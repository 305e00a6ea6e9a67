"""Asking all services at once what they know of an event and its change."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, TypeVar
from uuid import UUID

from services.console.peers import Answer, Peer, PeerError, Peers, PeerUnavailable, gaps
from services.console.way.answers import (
    Email,
    Inbox,
    Ledger,
    ParkedPage,
    ParkedRow,
    Part,
    Receiver,
)

R = TypeVar("R", bound=Part)

ENOUGH_S = 1.7
"""So long all that a page asks of one service may take, several calls together."""
MOST_EMAILS = 20
"""Emails of one service that a page shows; a product may be watched by a million people.

They are those of the event itself before those of others of its change.
"""
PAGE = 200
MOST_PAGES = 10
"""Pages of parked rows in which that of an event is looked for."""


@dataclass(frozen=True)
class Told:
    """What the services know of an event, and of the others of its change."""

    receivers: Sequence[Receiver]
    emails: Sequence[Email]
    more_emails: Collection[tuple[str, UUID]]
    """Services and events of which they have more emails than these."""
    refused: Sequence[ParkedRow]
    """Rows of outboxes: the broker would not have the event."""
    missing: Sequence[Answer[Any]]
    """Services of which a part is missing, each reason once."""

    @property
    def anything(self) -> bool:
        return bool(self.receivers or self.emails or self.refused)


async def ask(peers: Peers, event_id: UUID, others: Iterable[UUID] = (), *, outboxes: bool) -> Told:
    """Ask for receivers and emails of an event and of `others` of its change, all at once.

    Where the event was refused is asked too if it may be in an outbox.
    """
    by = asyncio.get_running_loop().time() + ENOUGH_S
    event_ids = (event_id, *others)
    inbox, ledger, refused = await asyncio.gather(
        peers.ask(lambda peer: _receivers(peer, event_ids, by)),
        peers.ask(lambda peer: _emails(peer, event_ids, by)),
        peers.ask(lambda peer: _refused(peer, event_id, by)) if outboxes else _nothing(),
    )
    return Told(
        receivers=[row for answer in inbox for row in answer.value or ()],
        emails=[row for answer in ledger for row in (answer.value or ())[:MOST_EMAILS]],
        more_emails={
            (answer.service, row.event_id or event_id)
            for answer in ledger
            for row in (answer.value or ())[MOST_EMAILS:]
        },
        refused=[row for answer in refused for row in answer.value or ()],
        missing=gaps(inbox, ledger, refused),
    )


async def _nothing() -> list[Answer[Sequence[ParkedRow]]]:
    return []


async def _of_each(
    event_ids: Iterable[UUID], call: Callable[[UUID], Awaitable[Sequence[R]]]
) -> Sequence[R]:
    """What a service knows of some events, in their order; of some it may know nothing."""

    async def one(event_id: UUID) -> Sequence[R]:
        try:
            return await call(event_id)
        except PeerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return []

    return [*chain.from_iterable(await asyncio.gather(*map(one, event_ids)))]


async def _receivers(peer: Peer, event_ids: Iterable[UUID], by: float) -> Sequence[Receiver]:
    async def of(event_id: UUID) -> Sequence[Receiver]:
        inbox = await peer.get_as(Inbox, f"/v1/inbox/events/{event_id}")
        known = {"service": peer.name, "event_id": event_id}
        return [each.model_copy(update=known) for each in inbox.receivers]

    found = await _of_each(event_ids, of)
    parked = {(str(each.event_id), each.receiver) for each in found if each.state == "parked"}
    rows: dict[tuple[str, str | None], int] = {}
    if parked:
        # A link to each is a convenience: without it one leads to the list.
        with suppress(PeerError, TimeoutError):
            async for row in _parked(peer, "inbox", by):
                if (row.event_id, row.receiver) in parked:
                    rows[row.event_id, row.receiver] = row.id
                    if len(rows) == len(parked):
                        break
    return [
        each.model_copy(update={"parked_id": rows.get((str(each.event_id), each.receiver))})
        for each in found
    ]


async def _emails(peer: Peer, event_ids: Iterable[UUID], by: float) -> Sequence[Email]:
    """Those behind `MOST_EMAILS` tell only that there are more."""

    async def of(event_id: UUID) -> Sequence[Email]:
        few = MOST_EMAILS + 1
        page = await peer.get_as(Ledger, "/v1/notifications", event_id=str(event_id), limit=few)
        known = {"service": peer.name, "event_id": event_id}
        return [each.model_copy(update=known) for each in page.items]

    found = await _of_each(event_ids, of)
    shown = await asyncio.gather(*(_in_full(peer, each, by) for each in found[:MOST_EMAILS]))
    return [*shown, *found[MOST_EMAILS:]]


async def _in_full(peer: Peer, email: Email, by: float) -> Email:
    if not email.was_tried:
        return email
    try:
        async with asyncio.timeout_at(by):
            row = await peer.get_as(Email, f"/v1/notifications/{email.id}")
    except (PeerError, TimeoutError) as error:
        why = error.why if isinstance(error, PeerError) else "no answer in time"
        return email.model_copy(update={"missing": why})
    return row.model_copy(update={"service": peer.name, "event_id": email.event_id})


async def _refused(peer: Peer, event_id: UUID, by: float) -> Sequence[ParkedRow]:
    try:
        async for row in _parked(peer, "outbox", by):
            if row.event_id == str(event_id):
                return [row.model_copy(update={"service": peer.name})]
    except TimeoutError:
        raise PeerUnavailable(peer.name, f"no answer within {ENOUGH_S:g} s") from None
    return []


async def _parked(peer: Peer, box: str, by: float) -> AsyncIterator[ParkedRow]:
    """The oldest rows of an inbox or an outbox; raise `TimeoutError` once it is too late."""
    after: int | None = 0
    for _ in range(MOST_PAGES):
        async with asyncio.timeout_at(by):
            page = await peer.get_as(ParkedPage, f"/v1/{box}/parked", limit=PAGE, after=after)
        for row in page.items:
            yield row
        after = page.next
        if after is None:
            return
