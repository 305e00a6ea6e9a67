"""Claims on SQLite: a lease on the whole outbox.

The one writer must not be held while publishing.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from heliograph.database import Database, database_now
from heliograph.events import new_id
from heliograph.outbox.claims.protocol import Claim, OutboxRow, row_of
from heliograph.outbox.table import BACKGROUND
from heliograph.waiting import LEASE_S


class SqliteClaim:
    """A claim by lease; what a relay settles after its lease ran out may have gone out twice."""

    more = True
    """A look costs little there."""

    def __init__(self, database: Database, outbox: Table, rows: Sequence[OutboxRow]) -> None:
        self._database = database
        self._outbox = outbox
        self.rows = rows

    async def settle(self, published: Sequence[int], failed: Sequence[int]) -> None:
        table = self._outbox
        async with self._database.transaction() as session:
            if published:
                await session.execute(delete(table).where(table.c.id.in_(published)))
            if failed:
                await session.execute(
                    update(table)
                    .where(table.c.id.in_(failed))
                    .values(attempts=table.c.attempts + 1)
                )


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
        ordered = c.partition != BACKGROUND
        async with self._database.reading() as session:
            for lane in (ordered, ~ordered):
                found = await session.execute(
                    select(
                        c.id, c.subject, c.attempts, c.event_id, c.exchange, c.routing_key,
                        c.headers, c.body,
                    )
                    .where(lane)
                    .order_by(c.id)
                    .limit(limit)
                )  # fmt: skip
                if rows := [row_of(*each) for each in found]:
                    return rows
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
            self._renew_at = time.monotonic() + LEASE_S / 2
        return held

    async def release(self) -> None:
        self._renew_at = 0.0
        lease = self._lease
        async with self._database.transaction() as session:
            await session.execute(delete(lease).where(lease.c.owner == self._owner))
