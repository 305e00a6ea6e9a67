"""Claims on the outbox: how several relays share it and each product keeps its order.

On PostgreSQL a claim is a transaction that holds one advisory lock for each partition
it takes from. The locks go with the transaction, whatever becomes of the relay: a
stopped one loses them to `idle_in_transaction_session_timeout`. On SQLite a claim is a
lease on the whole outbox, for the one writer must not be held while publishing.
"""

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json
from sqlalchemy import Column, MetaData, Table, Text, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from shared.bus import Message
from shared.database import Database
from shared.events import new_id
from shared.floors import Floors
from shared.outbox import BACKGROUND, PARTITIONS
from shared.statements import driver
from shared.types import UtcDateTime, database_now

LEASE_S = 20.0
"""How long a relay on SQLite may stay silent before another takes over; more than a
publish may take."""

SHARE = PARTITIONS // 2
"""Most partitions of one claim, so that two can be under way at once."""

_LOCK_SPACE = 0x48454C49
"""First key of our advisory locks; the second is the partition."""


class Row(NamedTuple):
    """An event in the outbox."""

    id: int
    subject: str
    attempts: int
    message: Message


class Claim(Protocol):
    """Rows that no other relay sends meanwhile, of each subject the oldest first."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def more(self) -> bool:
        """False if these were all that it could have taken as it began."""

    async def settle(self, published: Sequence[int], failed: Sequence[int]) -> None:
        """Delete what the bus has; count a failed attempt for what it may not have."""


class Claims(Protocol):
    """The outbox as relays see it."""

    parallel: int
    """Claims that one relay may usefully hold at once."""

    def claim(self, limit: int) -> AbstractAsyncContextManager[Claim]:
        """Claim up to `limit` rows; none if there are none that another relay does not hold."""

    async def release(self) -> None:
        """Let others have at once what they would else wait for."""


def claims(database: Database, outbox: Table, lease: Table) -> Claims:
    """Pick the manner of claiming that suits the database."""
    if database.is_sqlite:
        return SqliteClaims(database, outbox, lease)
    return PostgresClaims(database)


# `partition = p` would let the planner walk the whole table in the order of its ids and drop
# what is in other partitions. A range of both in their order only the partition's own index can
# give, and its size the planner guesses about right.
_PARTITION = "(partition, id) >= (p, floor) AND (partition, id) < (p + 1, 0) ORDER BY partition, id"

_FIRST = f"(SELECT id FROM outbox WHERE {_PARTITION} LIMIT 1)"  # noqa: S608 - constants of ours

_ENDED = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"
_OURS = "(SELECT pg_current_xact_id()::text::bigint)"

# Besides the partitions that it locks it names the one of the background if that has rows:
# that one is locked only if there is no other.
_LOCK = f"""
WITH ordered AS MATERIALIZED (
    SELECT p FROM unnest($1::int[], $2::bigint[]) AS lane (p, floor)
    WHERE CASE WHEN {_FIRST} IS NOT NULL
               THEN pg_try_advisory_xact_lock({_LOCK_SPACE}, p) ELSE false END
    LIMIT {SHARE}
)
SELECT p, {_ENDED} FROM ordered UNION ALL
SELECT p, {_ENDED} FROM (VALUES ({BACKGROUND}, 0)) AS background (p, floor)
WHERE CASE WHEN {_FIRST} IS NULL THEN false WHEN EXISTS (SELECT FROM ordered) THEN true
           ELSE pg_try_advisory_xact_lock({_LOCK_SPACE}, p) END
"""  # noqa: S608 - constants of ours

_HEAD = f"""
SELECT p, {_OURS}, head.* FROM unnest($1::int[], $2::bigint[]) AS lane (p, floor)
CROSS JOIN LATERAL (
    SELECT id, subject, attempts, event_id, exchange, routing_key, headers, body
    FROM outbox WHERE {_PARTITION} LIMIT $3
) AS head
"""  # noqa: S608 - constants of ours


class PostgresClaim:
    """A claim that ends with its transaction."""

    def __init__(self, connection: Any, rows: Sequence[Row], *, more: bool) -> None:
        self._connection = connection
        self.rows = rows
        self.more = more

    async def settle(self, published: Sequence[int], failed: Sequence[int]) -> None:
        if published:
            await self._connection.execute(
                "DELETE FROM outbox WHERE id = ANY($1::bigint[])", published
            )
        if failed:
            await self._connection.execute(
                "UPDATE outbox SET attempts = attempts + 1 WHERE id = ANY($1::bigint[])", failed
            )


class PostgresClaims:
    """Claims by advisory lock, one a partition."""

    parallel = PARTITIONS // SHARE

    def __init__(self, database: Database) -> None:
        self._database = database
        self.floors = Floors()

    async def release(self) -> None:
        return

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claim]:
        async with driver(self._database) as connection, connection.transaction():
            lanes = random.sample(range(PARTITIONS), PARTITIONS)
            found = await connection.fetch(_LOCK, lanes, self.floors.of(lanes))
            locked = [p for p, _ in found if p != BACKGROUND] or [p for p, _ in found]
            # As many rows of each, so that all empty evenly.
            share = max(limit // (len(locked) or 1), 1)
            rows = await self._head(connection, locked, share, found[0][1]) if locked else []
            more = len(found) >= SHARE or len(found) > len(locked) or len(rows) >= share
            yield PostgresClaim(connection, rows, more=more)

    async def _head(
        self, connection: Any, partitions: Sequence[int], share: int, ended: int
    ) -> list[Row]:
        """Read up to `share` rows of each partition, the oldest first."""
        floors = self.floors.of(partitions)
        found = await connection.fetch(_HEAD, partitions, floors, share)
        for partition, rows in groupby(found, itemgetter(0)):
            _, ours, lowest, *_ = next(rows)
            if partition != BACKGROUND:
                self.floors.see(partition, lowest, transaction=ours, ended=ended)
        return [_row(*values) for _, _, *values in found]


def relay_lease_table(metadata: MetaData) -> Table:
    """Declare the table in which relays on SQLite take turns."""
    return Table(
        "relay_lease",
        metadata,
        Column("name", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("expires_at", UtcDateTime, nullable=False),
    )


class SqliteClaim:
    """A claim by lease; what a relay settles after its lease ran out may have gone out twice."""

    more = True
    """A look costs little there."""

    def __init__(self, database: Database, outbox: Table, rows: Sequence[Row]) -> None:
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

    async def _head(self, limit: int) -> list[Row]:
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
                if rows := [_row(*each) for each in found]:
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


def _row(
    id: int,
    subject: str,
    attempts: int,
    event_id: str,
    exchange: str,
    routing_key: str,
    headers: bytes,
    body: bytes,
) -> Row:
    message = Message(event_id, exchange, routing_key, from_json(headers), body)
    return Row(id, subject, attempts, message)
