"""The outbox: events written in the transaction that they are about.

An event is in the outbox if and only if its change committed. The relay takes it out
again once the bus has it.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Table, and_, case, func, literal, select, true

from heliograph.crash import crash_point
from heliograph.database import (
    Bell,
    BulkInsert,
    Database,
    Session,
    TableBacklog,
    database_now,
)
from heliograph.errors import HeliographError
from heliograph.events import Event, messages, sequence
from heliograph.outbox.parked import ParkedRows
from heliograph.outbox.table import BACKGROUND, PARTITIONS
from heliograph.signals import Signal

EncodedEvent = tuple[int, str, str, str, str, bytes, bytes]
"""An event as it stands in the outbox, in the order of the columns."""

_COLUMNS = ("partition", "event_id", "subject", "exchange", "routing_key", "headers", "body")


class EventsRefused(HeliographError):
    """Some events cannot be published, and all others are."""


class Outbox:
    """Collects the events of a transaction and writes them as its last statement.

    It listens to the signals like any receiver, after all others.
    """

    def __init__(self, database: Database, table: Table, bell: Bell) -> None:
        self._database = database
        self.table = table
        self._rows = BulkInsert(table, _COLUMNS)
        self.bell = bell
        self.watchers: list[Callable[[Sequence[EncodedEvent]], None]] = []
        """Called with the events of each transaction of this process that has committed."""
        self.parked = ParkedRows(database, table, bell)
        self._refused = and_(table.c.due_at.is_not(None), table.c.attempts > 0)
        self.backlog = TableBacklog(
            database,
            table,
            unfinished=true(),
            what="the outbox has " + table.c.routing_key,
            state=case(
                (table.c.parked_at.is_not(None), "parked"),
                (self._refused, "refused"),
                else_=literal("not relayed"),
            ),
            reason=table.c.reason,
            retried=self._refused,
        )
        database.before_commit(self.write_held)

    def connect(self, signals: Iterable[Signal[Any]], senders: Iterable[type]) -> None:
        """Hold every event that the senders' models send from now on."""
        for sender in tuple(senders):
            for signal in signals:
                signal.connect(self.hold, sender, last=True)

    def disconnect(self, signals: Iterable[Signal[Any]], senders: Iterable[type]) -> None:
        for sender in tuple(senders):
            for signal in signals:
                signal.disconnect(self.hold, sender)

    def hold(self, event: Event[Any, Any], session: Session) -> None:
        """Keep the event until the commit.

        Only then is it known whether a save changed anything, and what receivers made of it.
        """
        session.sync_session.events.append(event)

    async def write_held(self, session: Session) -> None:
        """Write the events of the session's transaction, in the order in which they were sent.

        Those of a save that changed nothing are not announced. Raises `EventTooLarge`.
        """
        held = session.sync_session.events
        events = [each for each in held if each.changes is None or each.changes]
        held.clear()
        if events:
            await self.append(session, encode_all(events, session.traceparent))

    async def append(self, session: Session, rows: Sequence[EncodedEvent]) -> None:
        """Write events as the next of the session's transaction."""
        await self._rows.insert(session, rows)
        session.on_commit(partial(self._committed, rows))
        crash_point("outbox.after_write")

    def _committed(self, rows: Sequence[EncodedEvent]) -> None:
        crash_point("outbox.after_commit")
        self.bell.ring()
        for watch in self.watchers:
            watch(rows)

    async def status(self) -> tuple[int, float]:
        """Count the rows that wait to be published, and the age of the oldest in seconds.

        Those that are parked wait for an operator, and are not among them.
        """
        c = self.table.c
        rows, parked = select(func.count()).select_from(self.table), c.parked_at.is_not(None)
        oldest = select(func.min(c.id)).where(~parked).scalar_subquery()
        async with self._database.reading() as session:
            count = await session.scalar(rows) or 0
            set_aside = await session.scalar(rows.where(parked)) or 0
            row = (
                await session.execute(select(c.created_at, database_now()).where(c.id == oldest))
            ).first()
        waiting = max(count - set_aside, 0)
        return waiting, 0.0 if row is None else max((row[1] - row[0]).total_seconds(), 0.0)

    async def check(self) -> None:
        """Raise `EventsRefused` while some events are parked or turned down."""
        parked, refused = await self.refusals()
        if parked or refused:
            raise EventsRefused(
                f"{parked} events are parked in the outbox, {refused} are turned down by a queue"
                " and tried again"
            )

    async def refusals(self) -> tuple[int, int]:
        """Count the rows that are parked, and those that some queue turned down until now."""
        rows = select(func.count()).select_from(self.table)
        async with self._database.reading() as session:
            parked = await session.scalar(rows.where(self.table.c.parked_at.is_not(None)))
            refused = await session.scalar(rows.where(self._refused))
        return parked or 0, refused or 0


def encode_all(
    events: Iterable[Event[Any, Any]], traceparent: str | None = None
) -> list[EncodedEvent]:
    """Number a transaction's events within their changes, and encode them as outbox rows.

    One that is announced in several versions is a row for each, all with the same number.
    Raises `EventTooLarge`.
    """
    rows = []
    places: defaultdict[tuple[UUID, int], int] = defaultdict(int)
    for event in events:
        snapshot = event.snapshot
        if event.version is not None and snapshot is not None:
            change = (snapshot.subject, event.version)
            place = places[change]
            places[change] = place + 1
            event.sequence = sequence(event.version, place)
        event.traceparent = event.traceparent or traceparent
        for message in messages(event):
            subject = message.headers["ce-subject"]
            rows.append(
                (
                    _partition(event, subject),
                    message.id,
                    subject,
                    message.exchange,
                    message.routing_key,
                    to_json(message.headers),
                    message.body,
                )
            )
    return rows


def _partition(event: Event[Any, Any], subject: str) -> int:
    """Place an event: all of one subject together, those without an order apart."""
    return BACKGROUND if event.sequence is None else zlib.crc32(subject.encode()) % PARTITIONS
