"""Claims on PostgreSQL: a transaction that holds one advisory lock for each partition.

The locks go with the transaction, whatever becomes of the relay: a stopped one loses them
to `idle_in_transaction_session_timeout`.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from heliograph.database import Database, driver
from heliograph.outbox.claims.protocol import PAUSES, TURNED_DOWN, Claim, OutboxRow, Outcome, row_of
from heliograph.outbox.table import BACKGROUND, PARTITIONS, aside

SHARE = PARTITIONS // 2
"""Most partitions of one claim, so that two can be under way at once."""

_LOCK_SPACE = 0x48454C49
"""First key of our advisory locks; the second is the partition."""


# `partition = p` would let the planner walk the whole table in the order of its ids and drop
# what is in other partitions. A range of both in their order only the partition's own index can
# give, and its size the planner guesses about right.
_PARTITION = "(partition, id) >= (p, 0) AND (partition, id) < (p + 1, 0) ORDER BY partition, id"

_FIRST = f"(SELECT id FROM outbox WHERE {_PARTITION} LIMIT 1)"  # noqa: S608 - constants of ours

# The moment as a value of its own, for an index is not searched by a clock that moves.
_DUE = "partition = -1 - p AND due_at <= (SELECT clock_timestamp())"

_ANY = f"{_FIRST} IS NOT NULL OR EXISTS (SELECT FROM outbox WHERE {_DUE})"

# Besides the partitions that it locks it names the one of the background if that has rows:
# that one is locked only if there is no other.
_LOCK = f"""
WITH ordered AS MATERIALIZED (
    SELECT p FROM unnest($1::int[]) AS lane (p)
    WHERE CASE WHEN {_ANY} THEN pg_try_advisory_xact_lock({_LOCK_SPACE}, p) ELSE false END
    LIMIT {SHARE}
)
SELECT p FROM ordered UNION ALL
SELECT p FROM (VALUES ({BACKGROUND})) AS background (p)
WHERE CASE WHEN NOT ({_ANY}) THEN false WHEN EXISTS (SELECT FROM ordered) THEN true
           ELSE pg_try_advisory_xact_lock({_LOCK_SPACE}, p) END
"""  # noqa: S608 - constants of ours

_COLUMNS = """id, partition, subject, attempts, discarded_at IS NOT NULL,
event_id, exchange, routing_key, headers, body"""

# Also whether anything stands aside, in the same look: the locks are ours already.
_HEAD = f"""
SELECT head.*,
    (SELECT true FROM outbox WHERE (partition, id) < (0, 0) ORDER BY partition, id LIMIT 1)
FROM unnest($1::int[]) AS lane (p)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM outbox WHERE {_PARTITION} LIMIT $2
) AS head
"""  # noqa: S608 - constants of ours

_DUE_HEAD = f"""
SELECT head.* FROM unnest($1::int[]) AS lane (p)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM outbox WHERE {_DUE} ORDER BY due_at LIMIT $2
) AS head
"""  # noqa: S608 - constants of ours

_ASIDE = f"partition < 0 AND partition <> {aside(BACKGROUND)} AND subject = ANY($1::text[])"
_WAITING = f"SELECT DISTINCT subject FROM outbox WHERE {_ASIDE}"  # noqa: S608 - ours
_PUT_BEHIND = "UPDATE outbox SET partition = -1 - partition WHERE id = ANY($1::bigint[])"
_FREE = f"""
UPDATE outbox SET partition = -1 - partition
WHERE {_ASIDE} AND due_at IS NULL AND parked_at IS NULL
"""  # noqa: S608 - ours
_REFUSE = f"""
UPDATE outbox
SET partition = least(partition, -1 - partition), attempts = attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => pause), reason = '{TURNED_DOWN}'
FROM unnest($1::bigint[], $2::float8[]) AS refused (row, pause) WHERE id = row
"""  # noqa: S608 - ours
_PARK = """
UPDATE outbox
SET partition = least(partition, -1 - partition), attempts = attempts + 1,
    due_at = NULL, parked_at = clock_timestamp(), reason = said
FROM unnest($1::bigint[], $2::text[]) AS parked (row, said) WHERE id = row
"""


class PostgresClaim:
    """A claim that ends with its transaction."""

    def __init__(self, connection: Any, rows: Sequence[OutboxRow], *, more: bool) -> None:
        self._connection = connection
        self.rows = rows
        self.more = more

    async def settle(self, outcome: Outcome) -> None:
        execute = self._connection.execute
        if outcome.gone:
            gone = [row.id for row in outcome.gone]
            await execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", gone)
        if freed := [row.frees for row in outcome.gone if row.frees]:
            await execute(_FREE, freed)
        if refused := outcome.refused:
            pauses = [PAUSES.delay(row.attempts + 1) for row in refused]
            await execute(_REFUSE, [row.id for row in refused], pauses)
        if outcome.parked:
            rows, reasons = zip(*outcome.parked, strict=True)
            await execute(_PARK, [row.id for row in rows], reasons)


async def _past_what_waits(
    connection: Any, locked: Sequence[int], share: int, rows: Sequence[OutboxRow]
) -> list[OutboxRow]:
    """Put those that wait for another aside too, and take what was refused and is due again."""
    subjects = [row.order for row in rows if row.order]
    waiting = {subject for (subject,) in await connection.fetch(_WAITING, subjects)}
    if behind := [row.id for row in rows if row.order in waiting]:
        await connection.execute(_PUT_BEHIND, behind)
    due = await connection.fetch(_DUE_HEAD, locked, share)
    return [row_of(row) for row in due] + [row for row in rows if row.order not in waiting]


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
            head = await connection.fetch(_HEAD, locked, share) if locked else []
            more = len(found) >= SHARE or len(found) > len(locked) or len(head) >= share
            rows = [row_of(row) for row in head]
            if locked and (not head or head[0][-1]):
                rows = await _past_what_waits(connection, locked, share, rows)
            yield PostgresClaim(connection, rows, more=more)
