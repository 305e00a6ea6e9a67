"""Claims on SQLite: a lease on the whole outbox.

The one writer must not be held while publishing.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from heliograph.database import Database, database_now
from heliograph.events import new_id
from heliograph.outbox.claims.protocol import PAUSES, TURNED_DOWN, Claim, OutboxRow, Outcome, row_of
from heliograph.outbox.table import BACKGROUND, aside
from heliograph.waiting import LEASE_S

RENEWED_EVERY_S = LEASE_S / 4
"""So a claim begins with more of its lease left than it takes."""


class SqliteClaim:
    """A claim by lease; what a relay settles after its lease ran out may have gone out twice."""

    def __init__(self, database: Database, outbox: Table, rows: Sequence[OutboxRow]) -> None:
        self._database = database
        self._outbox = outbox
        self.rows = rows
        self.more = bool(rows)
        """A look costs little there."""

    async def settle(self, outcome: Outcome) -> None:
        table = self._outbox
        moved = {
            "partition": case(
                (table.c.partition < 0, table.c.partition), else_=-1 - table.c.partition
            ),
            "attempts": table.c.attempts + 1,
        }
        row = table.c.id == bindparam("row")
        refuse = (
            update(table)
            .where(row)
            .values(**moved, due_at=database_now(bindparam("pause")), reason=TURNED_DOWN)
        )
        park = (
            update(table)
            .where(row)
            .values(**moved, due_at=null(), parked_at=database_now(), reason=bindparam("said"))
        )
        refused = [
            {"row": each.id, "pause": PAUSES.delay(each.attempts + 1)} for each in outcome.refused
        ]
        parked = [{"row": each.id, "said": reason} for each, reason in outcome.parked]
        async with self._database.transaction() as session:
            connection = await session.connection()
            if outcome.gone:
                gone = [each.id for each in outcome.gone]
                await connection.execute(delete(table).where(table.c.id.in_(gone)))
            for statement, rows in ((refuse, refused), (park, parked)):
                if rows:
                    await connection.execute(statement, rows)


class SqliteClaims:
    """Claims by a lease that one relay renews while it works."""

    parallel = 1

    def __init__(self, database: Database, outbox: Table, lease: Table) -> None:
        self._database = database
        self._outbox = outbox
        self._lease = lease
        self._owner = str(new_id())
        self._renew_at = 0.0

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claim]:
        rows = await self._head(limit)
        if rows and time.monotonic() >= self._renew_at:
            # Another relay may have sent these while the lease was its own: read again.
            rows = await self._head(limit) if await self._take() else []
        yield SqliteClaim(self._database, self._outbox, rows)

    async def _head(self, limit: int) -> list[OutboxRow]:
        c = self._outbox.c
        columns = select(
            c.id, c.partition, c.subject, c.attempts, c.discarded_at.is_not(None),
            c.event_id, c.exchange, c.routing_key, c.headers, c.body,
        ).limit(limit)  # fmt: skip
        background = c.partition == BACKGROUND
        ordered = and_(c.partition >= 0, ~background, ~_waits(self._outbox))
        due = and_(c.partition < 0, c.due_at <= database_now())
        beside = c.partition == aside(BACKGROUND)
        async with self._database.reading() as session:
            # As many of each: neither keeps the other from going.
            for refused, fresh in ((and_(due, ~beside), ordered), (and_(due, beside), background)):
                found = [
                    *await session.execute(columns.where(refused).order_by(c.due_at)),
                    *await session.execute(columns.where(fresh).order_by(c.id)),
                ]
                if found:
                    return [row_of(each) for each in found]
        return []

    async def _take(self) -> bool:
        lease = self._lease
        mine = {"owner": self._owner, "expires_at": database_now(LEASE_S)}
        async with self._database.transaction() as session:
            taken = await session.execute(
                insert(lease)
                .values(name="outbox", **mine)
                .on_conflict_do_update(
                    index_elements=["name"],
                    set_=mine,
                    where=(lease.c.expires_at < database_now()) | (lease.c.owner == self._owner),
                )
                .returning(lease.c.owner)
            )
            held = taken.first() is not None
        if held:
            self._renew_at = time.monotonic() + RENEWED_EVERY_S
        return held

    async def release(self) -> None:
        self._renew_at = 0.0
        lease = self._lease
        async with self._database.transaction() as session:
            await session.execute(delete(lease).where(lease.c.owner == self._owner))


def _waits(outbox: Table) -> ColumnElement[bool]:
    """Whether an earlier event of the subject was refused."""
    first = outbox.alias("first").c
    return exists().where(
        first.subject == outbox.c.subject,
        # As the partial index has it.
        first.partition < literal_column("0"),
        first.partition != aside(BACKGROUND),
    )
