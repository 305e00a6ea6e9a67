"""The relay at a long backlog: its first fifth against its last, and its memory."""

import asyncio
import resource
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text

from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.rows.publish import announce
from benchmarks.world import House, World, house, purge, working
from heliograph.outbox import Relay

BACKLOG = 1_000_000
SEED = 1_000


@asynccontextmanager
async def sides(world: World) -> Sides:
    """One relay empties one backlog; its last fifth is the side, its first what it is held to."""
    count = world.count(BACKLOG) // (2 if world.quick else 1)
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            readings: dict[str, Reading] = {}

            async def first() -> Reading:
                if "first fifth" not in readings:
                    readings.update(await _empty(place, url, count))
                return readings.pop("first fifth")

            async def last() -> Reading:
                if "last fifth" not in readings:
                    readings.update(await _empty(place, url, count))
                return readings.pop("last fifth")

            found: dict[str, Measure] = {"first fifth": first, "last fifth": last}
            yield found


async def _empty(place: House, url: str, count: int) -> dict[str, Reading]:
    await place.clear()
    await purge(url)
    await announce(place, SEED)
    async with place.own.begin() as connection:
        # As many copies of the first rows as it takes, each with an id and a subject of its own.
        await connection.execute(text(_COPIES.format(copies=count // SEED - 1)))
        await connection.execute(text("ANALYZE outbox"))
    before = _memory()
    marks = {"first fifth": count // 5, "rest": count * 4 // 5, "last fifth": count}
    readings: dict[str, Reading] = {}
    ended = asyncio.Event()
    relayed, begun = 0, 0
    watch = Stopwatch()

    def on_published(batch: int) -> None:
        nonlocal relayed, begun, watch
        relayed += batch
        for name, end in marks.items():
            if name not in readings and relayed >= end:
                readings[name] = watch.read(relayed - begun)
                watch, begun = Stopwatch(), relayed
        if relayed >= count:
            ended.set()

    async with working(
        Relay(place.claims(), place.bus, place.outbox.bell, on_published=on_published)
    ):
        while not ended.is_set():
            # The broker is not what is measured here.
            await purge(url)
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await ended.wait()
    print(f"  {count:,} rows: the process grew by {_memory() - before:,.0f} MB at its peak")
    return {name: readings[name] for name in ("first fifth", "last fifth")}


_COPIES = """
INSERT INTO outbox (partition, event_id, subject, exchange, routing_key, headers, body)
SELECT partition, gen_random_uuid()::text, subject || copy, exchange, routing_key, headers, body
FROM outbox, generate_series(1, {copies}) AS copy ORDER BY copy, id
"""


def _memory() -> float:
    """The greatest size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ROWS = (
    Row(
        "The relay at a backlog",
        "Whether a day without the broker is caught up at the usual speed.",
        "events",
        sides,
        goals=(Goal("last fifth", "first fifth", 0.9),),
        rounds=1,
        notes=f"{BACKLOG:,} rows in a full run, {BACKLOG // 20:,} in a quick one.",
    ),
)
