"""The inbox: every event once per receiver, until its receiver is done with it.

A row is `pending` until a worker finishes it; then it is `done`, or, when it keeps
failing, `parked` until somebody redrives or discards it. A pending row behind a
parked one of the same receiver and subject is `held`: that is derived, not stored.
Done rows stay for `KEEP_DAYS`, without their payload, to know a second copy by.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress

import structlog
from pydantic_core import from_json
from sqlalchemy import Table, bindparam, case, delete, select
from sqlalchemy.dialects import sqlite

from heliograph.crash import crash_point
from heliograph.database import Bell, Database, Session, TableBacklog, database_now, driver
from heliograph.errors import DatabaseUnavailable, HeliographError
from heliograph.inbox.counts import Counts
from heliograph.inbox.failures import with_failure
from heliograph.inbox.handlings import Handlings
from heliograph.inbox.leases import Claimed, Leases, waits_for_retry
from heliograph.inbox.parked import ParkedRows
from heliograph.inbox.reading import REASON_LENGTH, Entry
from heliograph.inbox.table import is_open
from heliograph.logging import masked, of_event
from heliograph.signals import QueuedReceiver
from heliograph.text import printable

log = structlog.stdlib.get_logger(__name__)

KEEP_DAYS = 7
"""For this long a second copy of an event is known and refused."""

_HANDED_BACK = "handed back: its program was stopped"

_COLUMNS = ", ".join(Entry._fields)
_STATE = "CASE WHEN reason IS NULL THEN 'pending' ELSE 'parked' END"
# One text for any number of rows, so that it is prepared once.
_UNNEST = f"""
INSERT INTO inbox (receiver, {_COLUMNS}, state, due_at, received_at)
SELECT $1, {_COLUMNS}, {_STATE}, clock_timestamp(), clock_timestamp() FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::bigint[]
) WITH ORDINALITY AS rows ({_COLUMNS}, place) ORDER BY place
ON CONFLICT (receiver, event_id) DO NOTHING
"""  # noqa: S608 - names of ours only


class LeaseLost(HeliographError):
    """Another worker has taken the row over: what this one did must not be committed."""


class Inbox:
    """The inbox of one service, in its database; `unordered` names receivers without an order."""

    def __init__(
        self, database: Database, table: Table, bell: Bell, *, unordered: Collection[str] = ()
    ) -> None:
        self.database = database
        self.table = table
        self.bell = bell
        self._counts = Counts(database, table, tuple(unordered))
        self.handlings = Handlings(database, table, unordered)
        self.parked = ParkedRows(database, table, bell)
        self._turns: dict[str, str] = {}
        """By receiver, the subject whose turn was the last."""
        self._leases = Leases(database, table)
        self.backlog = TableBacklog(
            database,
            table,
            unfinished=is_open(table),
            what=table.c.receiver + " has " + table.c.routing_key,
            state=table.c.state,
            reason=table.c.reason,
            retried=waits_for_retry(table),
        )
        self._insert = (
            sqlite.insert(table)
            .values(
                due_at=database_now(),
                received_at=database_now(),
                **{name: bindparam(name) for name in ("receiver", "state", *Entry._fields)},
            )
            .on_conflict_do_nothing(index_elements=["receiver", "event_id"])
        )

    async def accept(self, receiver: QueuedReceiver, entries: Sequence[Entry]) -> None:
        """Make entries ours, each once per receiver; when this returns they are durable."""
        if self.database.is_sqlite:
            async with self.database.transaction() as session:
                rows = [_row(receiver, each) for each in entries]
                await (await session.connection()).execute(self._insert, rows)
                crash_point("consumer.after_insert")
        else:
            columns = [list(column) for column in zip(*entries, strict=True)]
            async with driver(self.database.engine) as connection, connection.transaction():
                await connection.execute(_UNNEST, receiver.name, *columns)
                crash_point("consumer.after_insert")
        self.bell.ring()

    async def claim(self, receiver: QueuedReceiver, limit: int, *, attempts: int) -> list[Claimed]:
        """Lease up to `limit` rows that may run now, and count the attempt.

        Rows whose last attempt never reported back, because its process died, come one at a
        time, so that one that kills takes no other with it; they are parked once they have
        had `attempts`.
        """
        turn = self._turns.get(receiver.name, "")
        found = await self._leases.take(receiver, turn, limit, attempts)
        if receiver.ordered:
            room = limit - len(found)
            if turn and room and not any(row.reason for row in found):
                # If the database goes away just now, what is leased already must still run.
                with suppress(DatabaseUnavailable):
                    found += await self._leases.take(receiver, "", room, attempts)
            self._turns[receiver.name] = found[-1].subject or "" if found else ""
        claimed = [
            Claimed(
                row.id, row.token, row.attempts, row.event_id, row.subject,
                from_json(row.headers), row.body, suspect=row.reason is not None,
            )
            for row in found
            if row.state == "pending"
        ]  # fmt: skip
        for row in found:
            if row.state == "parked":
                about = of_event(
                    row.event_id, row.subject, from_json(row.headers).get("traceparent")
                )
                log.warning(
                    "parked", receiver=receiver.name, attempt=row.attempts, reason=row.reason,
                    **about,
                )  # fmt: skip
        return sorted(claimed, key=lambda each: each.id)

    async def finish(self, session: Session, rows: Sequence[Claimed]) -> None:
        """Mark rows done in the receiver's transaction; raise `LeaseLost` if one is not ours."""
        _all_ours(rows, await self._leases.finish(rows, await session.connection()))

    async def finish_all(self, rows: Sequence[Claimed]) -> frozenset[int]:
        """Mark rows done in a transaction of their own; returns the ids of those that were ours."""
        return await self._leases.finish(rows)

    async def retry(self, rows: Sequence[Claimed], reason: str, delay: float) -> None:
        """Let rows run again `delay` seconds from now."""
        await self._fail(rows, _told(reason), due_at=database_now(delay))

    async def hand_back(self, rows: Sequence[Claimed]) -> None:
        """Let rows run again at once and forget the attempt: it was we who broke it off."""
        attempts = self.table.c.attempts
        # Of one that has been tried before, no reason would mean that nothing was reported.
        reason = case((attempts > 1, _HANDED_BACK), else_=None)
        async with self.database.transaction() as session:
            await self._settle(
                session, rows, attempts=attempts - 1, reason=reason, due_at=database_now()
            )
        self.bell.ring()

    async def postpone(self, rows: Sequence[Claimed], reason: str, delay: float) -> None:
        """Let rows run again `delay` seconds from now, and forget the attempt: it was none."""
        async with self.database.transaction() as session:
            await self._settle(
                session,
                rows,
                attempts=self.table.c.attempts - 1,
                reason=_told(reason),
                due_at=database_now(delay),
            )

    async def park(self, rows: Sequence[Claimed], reason: str) -> None:
        await self._fail(rows, _told(reason), state="parked", due_at=database_now())

    async def _fail(self, rows: Sequence[Claimed], reason: str, **values: object) -> None:
        failures = with_failure(self.table, database_now(), reason)
        async with self.database.transaction() as session:
            await self._settle(session, rows, reason=reason, failures=failures, **values)

    async def _settle(self, session: Session, rows: Sequence[Claimed], **values: object) -> None:
        _all_ours(rows, await self._leases.end(await session.connection(), rows, values))

    async def status(self) -> dict[tuple[str, str], int]:
        """Count rows by receiver and state; `held` ones are not among the `pending`.

        In a large inbox on PostgreSQL those that are finished are estimated.
        """
        return await self._counts.by_state()

    async def oldest(self, receivers: Collection[str]) -> dict[str, float]:
        """By receiver, the seconds since the event was accepted that waits longest; 0 if none does.

        Those that are parked wait for an operator, and are not among them.
        """
        return await self._counts.oldest(receivers)

    async def prune(self, limit: int = 1000) -> int:
        """Forget up to `limit` rows that were finished more than `KEEP_DAYS` ago."""
        table = self.table
        old = (
            select(table.c.id)
            .where(table.c.finished_at < database_now(-KEEP_DAYS * 86_400))
            .limit(limit)
        )
        async with self.database.transaction() as session:
            result = await session.execute(delete(table).where(table.c.id.in_(old)))
            return result.rowcount  # type: ignore[attr-defined, no-any-return]


def _told(reason: str) -> str:
    return printable(masked(reason), REASON_LENGTH)


def _row(receiver: QueuedReceiver, entry: Entry) -> dict[str, object]:
    state = "pending" if entry.reason is None else "parked"
    return {"receiver": receiver.name, "state": state, **entry._asdict()}


def _all_ours(rows: Sequence[Claimed], ours: Collection[int]) -> None:
    if len(ours) != len(rows):
        raise LeaseLost("another worker has taken the event over")
