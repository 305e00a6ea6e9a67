"""What the databases, the broker, the mail server and the image store hold."""

import asyncio
import json
import time
from collections import defaultdict
from contextlib import closing

import pika

from chaos.reckoning import commits
from chaos.reckoning.checker import Records
from chaos.reckoning.mailbox import emails
from chaos.reckoning.told import Row
from chaos.world import World
from heliograph import DatabaseUnavailable
from heliograph.testing import unfinished

LOOK_S = 0.25
SETTLED = 3
"""How many looks in a row must find everything empty."""

_LEDGER = """
SELECT id, event_id::text, subscription_id::text, email, topic, product_id::text, currency,
       old_minor, state, told_by, told_at, told_minor, told_currency, reason, sent_at
FROM notification
"""

_IDLE = """
SELECT query FROM pg_stat_activity
WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'
"""


async def waiting(world: World) -> list[str]:
    """Tell what is still on its way, the oldest of each place."""
    left = [str(each) for each in await unfinished(*world.services)]
    found = await asyncio.to_thread(queued, world)
    return left + [f"{found} messages in queues"] * bool(found)


async def drained(world: World, within: float) -> float | None:
    """Wait until nothing is on its way; return the seconds it took, None if not in time."""
    begin = time.monotonic()
    calm, last = 0, -1
    while time.monotonic() < begin + within:
        try:
            empty = not await waiting(world)
        except (DatabaseUnavailable, pika.exceptions.AMQPError, OSError):
            empty = False
        heard = len(world.listener.heard)
        calm = calm + 1 if empty and heard == last else 0
        last = heard
        if calm >= SETTLED:
            return max(time.monotonic() - begin - SETTLED * LOOK_S, 0.0)
        await asyncio.sleep(LOOK_S)
    return None


def queued(world: World) -> int:
    """How many messages wait in the queues of ours and of the listener."""
    with closing(pika.BlockingConnection(pika.URLParameters(world.direct.bus))) as connection:
        channel = connection.channel()
        names = [
            *("notifier.email_new_product", "notifier.email_price_drop", "notifier.purge_images"),
            *("catalog.record_views", "chaos.listener"),
        ]
        return sum(
            channel.queue_declare(queue, passive=True).method.message_count
            for name in names
            for queue in (name, *([f"{name}.dead"] if name != "chaos.listener" else []))
        )


async def read(world: World) -> Records:
    """Read all that the checker compares."""
    versions = await world.fetch("catalog", "SELECT id, version FROM product")
    counts = await world.fetch("catalog", "SELECT product_id, count FROM view_count")
    told = await world.fetch("notifier", _LEDGER)
    gone = await world.fetch("notifier", commits.GONE)
    return Records(
        versions={str(row["id"]): row["version"] for row in versions},
        inbox=await inboxes(world),
        view_counts={str(row["product_id"]): row["count"] for row in counts},
        notifications=[Row(**row) for row in told],
        emails=emails(world.smtp.messages),
        gone_at={row["product"]: row["at"] for row in gone},
    )


async def inboxes(world: World) -> dict[str, dict[str, str]]:
    """By receiver, the state of every event that it has accepted."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for service in ("catalog", "notifier"):
        for row in await world.fetch(service, "SELECT receiver, event_id, state FROM inbox"):
            found[row["receiver"]][row["event_id"]] = row["state"]
    return found


async def files(world: World) -> tuple[set[str], set[str]]:
    """The files in the store, and those that the database names."""
    rows = await world.fetch("catalog", "SELECT key, variants FROM image")
    named = {row["key"] for row in rows}
    named |= {each["key"] for row in rows for each in json.loads(row["variants"])}
    there = {path.name for path in world.images.rglob("*") if path.is_file()}
    return there, named


async def sweep(world: World, within: float = 20.0) -> None:
    """Let every unfulfilled upload be eleven minutes old, and wait until all are swept."""
    await world.fetch(
        "catalog", "UPDATE image_intent SET created_at = now() - interval '11 minutes'"
    )
    # A worker looks when it starts.
    await world.fleet.kill(world.fleet.of("catalog work")[0])
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        [(left,)] = await world.fetch("catalog", "SELECT count(*) FROM image_intent")
        if not left:
            return
        await asyncio.sleep(LOOK_S)


async def idle_in_transaction(world: World) -> list[str]:
    """Sessions that hold a transaction open and do nothing."""
    return [str(row["query"]) for row in await world.fetch("catalog", _IDLE)]
