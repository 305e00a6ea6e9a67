"""What a claim costs behind a backlog: `python -m chaos.reckoning.backlog`.

On PostgreSQL, medians in milliseconds: 200 rows of an outbox with ten thousand and with a
million rows, and 8 rows of an inbox in which so many events are held behind a parked one.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from contracts import Product
from heliograph.database import Bell, Database
from heliograph.events import EventKind
from heliograph.inbox import Inbox
from heliograph.outbox import PARTITIONS, claims_for
from heliograph.signals import QueuedReceiver
from services.catalog.models import Base, inbox, outbox, relay_lease
from tests.servers.postgresql import PostgreSQL
from tests.servers.postgresql_cluster import Cluster, find_binaries

ROWS, FEW = 200, 8
ROUNDS = 15
BACKLOGS = (10_000, 1_000_000)

_OUTBOX = f"""
INSERT INTO outbox (partition, event_id, subject, exchange, routing_key, headers, body)
SELECT n % {PARTITIONS}, n::text, (n / 4)::text, 'catalog.events', 'catalog.product.post_save',
       '{{}}', repeat('x', 900)::bytea
FROM generate_series(1, :rows) AS n
"""  # noqa: S608 - a constant of ours
_INBOX = """
INSERT INTO inbox (receiver, event_id, subject, routing_key, headers, body, state, due_at,
                   received_at)
SELECT 'receive', n::text, CASE WHEN n <= :rows THEN 'held' ELSE n::text END,
       'catalog.product.post_save', '{}', '', CASE n WHEN 1 THEN 'parked' ELSE 'pending' END,
       now(), now()
FROM generate_series(1, :rows + 2000) AS n
"""


async def receive() -> None:
    """A receiver that is never run."""


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        await work()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


async def _measure(database: Database, rows: int) -> tuple[float, float]:
    await _fill(database, rows)
    claims = claims_for(database, outbox, relay_lease)
    box = Inbox(database, inbox, Bell(uuid4().hex))
    receiver = QueuedReceiver(receive, (EventKind("post_save", Product),), ())

    async def claim_outbox() -> None:
        async with claims.claim(ROWS) as claim:
            if len(claim.rows) != ROWS:
                raise RuntimeError("the claim is short")

    async def claim_inbox() -> None:
        if len(await box.claim(receiver, FEW, attempts=8)) != FEW:
            raise RuntimeError("the claim is short")

    return await _median(claim_outbox), await _median(claim_inbox)


async def _fill(database: Database, rows: int) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(text("TRUNCATE outbox, inbox"))
    for statement in (_OUTBOX, _INBOX):
        raw = await database.engine.raw_connection()
        try:
            driver = raw.driver_connection
            if driver is None:
                raise RuntimeError("no connection")
            await driver.execute(statement.replace(":rows", str(rows)), timeout=600)
            await driver.execute("ANALYZE", timeout=600)
        finally:
            raw.close()


async def _main() -> Table:
    table = Table("rows behind", "claim of 200, outbox", "claim of 8, inbox", box=None)
    with Cluster.private(find_binaries()) as cluster:
        async with PostgreSQL(cluster.url, cluster).database() as url:
            database = Database(url)
            for rows in BACKLOGS:
                outbox_ms, inbox_ms = await _measure(database, rows)
                table.add_row(f"{rows:,}", f"{outbox_ms:.1f} ms", f"{inbox_ms:.1f} ms")
            await database.close()
    return table


def main() -> None:
    """Measure and print."""
    Console().print(asyncio.run(_main()))


if __name__ == "__main__":
    main()
