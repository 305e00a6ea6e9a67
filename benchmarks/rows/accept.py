"""Accepting: from the broker into the inbox, against FastStream with an empty handler."""

from collections.abc import Sequence
from contextlib import asynccontextmanager

from benchmarks.measure import Countdown, Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import faststream_app
from benchmarks.world import INBOX, RECEIVER, House, World, batches, house, messages, purge, working
from heliograph.inbox import Consumer, Inbox
from heliograph.inbox.reading import Entry
from heliograph.signals import QueuedReceiver

PREFETCH = 200


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Each side takes the same messages out of the same queue."""
    count = world.count(20_000)
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:

            async def filled() -> None:
                await purge(url)
                for batch in batches(messages(count), 500):
                    await place.bus.publish(batch)

            async def accept() -> Reading:
                await filled()
                return await _accept(place, count)

            async def faststream() -> Reading:
                await filled()
                return await faststream_app.consume(url, count, PREFETCH)

            yield {"accept": accept, "FastStream": faststream}


class _CountingInbox(Inbox):
    """Says when it has accepted enough."""

    def __init__(self, place: House, count: int) -> None:
        super().__init__(place.database, INBOX, place.inbox.bell)
        self.accepted = Countdown(count)

    async def accept(self, receiver: QueuedReceiver, entries: Sequence[Entry]) -> None:
        await super().accept(receiver, entries)
        self.accepted.count(len(entries))


async def _accept(place: House, count: int) -> Reading:
    await place.clear()
    inbox = _CountingInbox(place, count)
    watch = Stopwatch()
    async with working(Consumer("bench", [RECEIVER], inbox, place.bus)):
        await inbox.accepted.ended.wait()
        reading = watch.read(count)
    if await place.count(INBOX, "state = 'pending'") != count:
        raise RuntimeError("not every event was accepted")
    return reading


ROWS = (
    Row(
        "Accepting: broker to inbox, validated and committed",
        "What a server is paid for each event that it takes from the broker and will not lose.",
        "events",
        sides,
        goals=(Goal("accept", "FastStream", 4),),
        notes=f"The broker sends {PREFETCH} messages ahead. 4 × is the goal with a parser of"
        " deliveries of our own; 2.5 × without.",
    ),
)
