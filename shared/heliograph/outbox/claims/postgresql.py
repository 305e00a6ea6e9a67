"""Claims on PostgreSQL: a transaction that holds one advisory lock for each partition.

The locks go with the transaction, whatever becomes of the relay: a stopped one loses them
to `idle_in_transaction_session_timeout`.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

from heliograph.database import Database, driver
from heliograph.outbox.claims.low_water import LowWaterMarks
from heliograph.outbox.claims.protocol import Claim, OutboxRow, row_of
from heliograph.outbox.table import BACKGROUND, PARTITIONS

SHARE = PARTITIONS // 2
"""Most partitions of one claim, so that two can be under way at once."""

_LOCK_SPACE = 0x48454C49
"""First key of our advisory locks; the second is the partition."""


# `partition = p` would let the planner walk the whole table in the order of its ids and drop
# what is in other partitions. A range of both in their order only the partition's own index can
# give, and its size the planner guesses about right.
_PARTITION = "(partition, id) >= (p, mark) AND (partition, id) < (p + 1, 0) ORDER BY partition, id"

_FIRST = f"(SELECT id FROM outbox WHERE {_PARTITION} LIMIT 1)"  # noqa: S608 - constants of ours

_ENDED = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"
_OURS = "(SELECT pg_current_xact_id()::text::bigint)"

# Besides the partitions that it locks it names the one of the background if that has rows:
# that one is locked only if there is no other.
_LOCK = f"""
WITH ordered AS MATERIALIZED (
    SELECT p FROM unnest($1::int[], $2::bigint[]) AS lane (p, mark)
    WHERE CASE WHEN {_FIRST} IS NOT NULL
               THEN pg_try_advisory_xact_lock({_LOCK_SPACE}, p) ELSE false END
    LIMIT {SHARE}
)
SELECT p, {_ENDED} FROM ordered UNION ALL
SELECT p, {_ENDED} FROM (VALUES ({BACKGROUND}, 0)) AS background (p, mark)
WHERE CASE WHEN {_FIRST} IS NULL THEN false WHEN EXISTS (SELECT FROM ordered) THEN true
           ELSE pg_try_advisory_xact_lock({_LOCK_SPACE}, p) END
"""  # noqa: S608 - constants of ours

_HEAD = f"""
SELECT p, {_OURS}, head.* FROM unnest($1::int[], $2::bigint[]) AS lane (p, mark)
CROSS JOIN LATERAL (
    SELECT id, subject, attempts, event_id, exchange, routing_key, headers, body
    FROM outbox WHERE {_PARTITION} LIMIT $3
) AS head
"""  # noqa: S608 - constants of ours


class PostgresClaim:
    """A claim that ends with its transaction."""

    def __init__(self, connection: Any, rows: Sequence[OutboxRow], *, more: bool) -> None:
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
        self.low_water = LowWaterMarks()

    async def release(self) -> None:
        return

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claim]:
        async with driver(self._database.engine) as connection, connection.transaction():
            lanes = random.sample(range(PARTITIONS), PARTITIONS)
            found = await connection.fetch(_LOCK, lanes, self.low_water.of(lanes))
            locked = [p for p, _ in found if p != BACKGROUND] or [p for p, _ in found]
            # As many rows of each, so that all empty evenly.
            share = max(limit // (len(locked) or 1), 1)
            rows = await self._head(connection, locked, share, found[0][1]) if locked else []
            more = len(found) >= SHARE or len(found) > len(locked) or len(rows) >= share
            yield PostgresClaim(connection, rows, more=more)

    async def _head(
        self, connection: Any, partitions: Sequence[int], share: int, ended: int
    ) -> list[OutboxRow]:
        """Read up to `share` rows of each partition, the oldest first."""
        marks = self.low_water.of(partitions)
        found = await connection.fetch(_HEAD, partitions, marks, share)
        for partition, rows in groupby(found, itemgetter(0)):
            _, ours, lowest, *_ = next(rows)
            if partition != BACKGROUND:
                self.low_water.see(partition, lowest, transaction=ours, ended=ended)
        return [row_of(*values) for _, _, *values in found]
