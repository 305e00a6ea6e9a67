"""Claims on PostgreSQL: a transaction that holds one advisory lock for each partition.

The locks go with the transaction, whatever becomes of the relay: a stopped one loses them
to `idle_in_transaction_session_timeout`.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from heliograph.database import Database, driver
from heliograph.outbox.claims.protocol import Claim, OutboxRow, row_of
from heliograph.outbox.table import BACKGROUND, PARTITIONS

SHARE = PARTITIONS // 2
"""Most partitions of one claim, so that two can be under way at once."""

_LOCK_SPACE = 0x48454C49
"""First key of our advisory locks; the second is the partition."""


# `partition = p` would let the planner walk the whole table in the order of its ids and drop
# what is in other partitions. A range of both in their order only the partition's own index can
# give, and its size the planner guesses about right.
_PARTITION = "(partition, id) >= (p, 0) AND (partition, id) < (p + 1, 0) ORDER BY partition, id"

_FIRST = f"(SELECT id FROM outbox WHERE {_PARTITION} LIMIT 1)"  # noqa: S608 - constants of ours

# Besides the partitions that it locks it names the one of the background if that has rows:
# that one is locked only if there is no other.
_LOCK = f"""
WITH ordered AS MATERIALIZED (
    SELECT p FROM unnest($1::int[]) AS lane (p)
    WHERE CASE WHEN {_FIRST} IS NOT NULL
               THEN pg_try_advisory_xact_lock({_LOCK_SPACE}, p) ELSE false END
    LIMIT {SHARE}
)
SELECT p FROM ordered UNION ALL
SELECT p FROM (VALUES ({BACKGROUND})) AS background (p)
WHERE CASE WHEN {_FIRST} IS NULL THEN false WHEN EXISTS (SELECT FROM ordered) THEN true
           ELSE pg_try_advisory_xact_lock({_LOCK_SPACE}, p) END
"""  # noqa: S608 - constants of ours

_HEAD = f"""
SELECT head.* FROM unnest($1::int[]) AS lane (p)
CROSS JOIN LATERAL (
    SELECT id, subject, attempts, event_id, exchange, routing_key, headers, body
    FROM outbox WHERE {_PARTITION} LIMIT $2
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

    async def release(self) -> None:
        return

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claim]:
        async with driver(self._database.engine) as connection, connection.transaction():
            lanes = random.sample(range(PARTITIONS), PARTITIONS)
            found = [partition for (partition,) in await connection.fetch(_LOCK, lanes)]
            locked = [each for each in found if each != BACKGROUND] or found
            # As many rows of each, so that all empty evenly.
            share = max(limit // (len(locked) or 1), 1)
            rows = await connection.fetch(_HEAD, locked, share) if locked else []
            more = len(found) >= SHARE or len(found) > len(locked) or len(rows) >= share
            yield PostgresClaim(connection, [row_of(*row) for row in rows], more=more)
