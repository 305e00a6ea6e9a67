"""Publishing and relaying, against the broker's own ceiling and FastStream."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiormq

from benchmarks.measure import Countdown, Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.peers import ceiling, faststream_app
from benchmarks.world import (
    IN_FLIGHT,
    OUTBOX,
    RECEIVER,
    TOPOLOGY,
    House,
    World,
    batches,
    events,
    house,
    messages,
    purge,
    working,
)
from heliograph.bus import Message, Topology
from heliograph.outbox import Relay

LISTENING = (3, 4)
"""Queues of listeners: the notifier's for a saved product, and the console's behind them."""


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Each side sends the same messages into the same queue, emptied before its turn."""
    count = world.count(20_000)
    made = messages(count)
    frames = world.folder / "frames"
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            ceiling.write_frames(made, place.bus.user or "", frames)

            async def on_empty_queue(work: Awaitable[Reading]) -> Reading:
                await purge(url)
                return await work

            found: dict[str, Measure] = {
                "publish": lambda: on_empty_queue(_publish(place, made)),
                "relay": lambda: on_empty_queue(relay(place, count)),
                **{
                    f"relay to {queues} queues": partial(_relay_to, place, url, queues, count)
                    for queues in LISTENING
                },
                "FastStream": lambda: on_empty_queue(faststream_app.publish(url, made, IN_FLIGHT)),
            }
            if world.compiler:
                program = await ceiling.build(world.compiler, world.folder)
                found["C client"] = lambda: on_empty_queue(
                    ceiling.publish(program, url, IN_FLIGHT, frames)
                )
            yield found


async def _publish(place: House, made: Sequence[Message]) -> Reading:
    waiting = iter(batches(made, IN_FLIGHT // 2))
    watch = Stopwatch()
    # Two publishers, as a relay has, so that one sends while the other awaits its confirms.
    await asyncio.gather(_publisher(place, waiting), _publisher(place, waiting))
    return watch.read(len(made))


async def _publisher(place: House, waiting: Iterator[Sequence[Message]]) -> None:
    for batch in waiting:
        if len(await place.bus.publish(batch)) != len(batch):
            raise RuntimeError("the broker did not confirm all")


async def relay(place: House, count: int) -> Reading:
    """Empty an outbox of `count` rows."""
    await place.clear()
    await announce(place, count)
    published = Countdown(count)
    relay = Relay(place.claims(), place.bus, place.outbox.bell, on_published=published.count)
    watch = Stopwatch()
    async with working(relay):
        await published.ended.wait()
        reading = watch.read(count)
    if await place.count(OUTBOX):
        raise RuntimeError("the relay left rows behind")
    return reading


async def _relay_to(place: House, bus_url: str, queues: int, count: int) -> Reading:
    """Relay while so many listen: each message goes into every queue."""
    await purge(bus_url)
    others = tuple(RECEIVER.queue(f"bench-{number}") for number in range(2, queues + 1))
    await place.bus.declare(Topology(TOPOLOGY.exchanges, others))
    try:
        return await relay(place, count)
    finally:
        async with aiormq.connect(bus_url) as connection:
            channel = await connection.channel()
            for queue in others:
                await channel.queue_delete(queue.name)


async def announce(place: House, count: int) -> None:
    """Fill the outbox through the outbox."""
    for start in range(0, count, 1000):
        async with place.database.transaction() as session:
            for event in events(min(1000, count - start)):
                place.outbox.hold(event, session)


ROWS = (
    Row(
        "Publishing, and relaying from outbox rows to confirmed and deleted",
        "What a server is paid to tell the broker of each change, once it is committed.",
        "events",
        sides,
        goals=(
            Goal("publish", "C client"),
            Goal("relay", "C client", 0.7),
            Goal("relay", "FastStream", 4),
        ),
        notes=f"Every publisher has up to {IN_FLIGHT} messages of 1 KB unconfirmed.",
    ),
)
