"""The stages on the embedded parts: SQLite and the memory bus."""

from contextlib import asynccontextmanager
from functools import partial

from benchmarks.measure import Reading, Row, Sides
from benchmarks.rows.consume import consume
from benchmarks.rows.publish import relay
from benchmarks.world import RECEIVER, House, World, house, working
from heliograph.inbox import Consumer


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Everything in one process, without a peer."""
    count = world.count(5_000)
    url = f"sqlite+aiosqlite:///{world.folder / 'embedded.db'}"
    async with house(url, "memory://") as place:
        yield {
            "relay and accept": partial(_relay, place, count),
            "consume": partial(consume, place, count, session=False),
            "consume, with a session": partial(consume, place, count, session=True),
        }


async def _relay(place: House, count: int) -> Reading:
    async with working(Consumer("bench", [RECEIVER], place.inbox, place.bus)):
        return await relay(place, count)


ROWS = (
    Row(
        "On the embedded parts: SQLite and the memory bus",
        "What a developer's machine does without any server: whether a demonstration flows.",
        "events",
        sides,
    ),
)
