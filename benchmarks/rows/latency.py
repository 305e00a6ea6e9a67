"""From commit to the start of the receiver, against publishing straight after the commit."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from statistics import median

import contracts
from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.world import RECEIVER, House, World, events, house, purge, working
from heliograph import Event
from heliograph.events import encode
from heliograph.inbox import Consumer, Worker
from heliograph.outbox import Relay, encode_all

RATES = {50: 150, 200: 600}
"""Events a second, and how many of them in a full run."""


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Consumer, inbox and worker are the same on both sides."""
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            found: dict[str, Measure] = {}
            for rate, full in RATES.items():
                count = world.count(full)
                found[f"relayed, {rate}/s"] = partial(_relayed, place, url, rate, count)
                found[f"published, {rate}/s"] = partial(_published, place, url, rate, count)
            yield found


async def _relayed(place: House, url: str, rate: int, count: int) -> Reading:
    async def announce(event: Event[contracts.Product]) -> None:
        async with place.database.transaction() as session:
            place.outbox.hold(event, session)

    async with working(Relay(place.claims(), place.bus, place.outbox.bell)):
        return await _latency(place, url, rate, count, announce)


async def _published(place: House, url: str, rate: int, count: int) -> Reading:
    async def announce(event: Event[contracts.Product]) -> None:
        async with place.database.transaction() as session:
            await session.connection()
        encode_all([event])
        await place.bus.publish([encode(event)])

    return await _latency(place, url, rate, count, announce)


async def _latency(
    place: House,
    url: str,
    rate: int,
    count: int,
    announce: Callable[[Event[contracts.Product]], Awaitable[None]],
) -> Reading:
    """Read the median as the seconds of one event."""
    await place.clear()
    await purge(url)
    began: dict[object, float] = {}
    took: list[float] = []
    ended = asyncio.Event()

    async def receive(event: Event[contracts.Product]) -> None:
        took.append(time.perf_counter() - began[event.id])
        if len(took) == count:
            ended.set()

    receiver = replace(RECEIVER, function=receive)
    consumer = Consumer("bench", [RECEIVER], place.inbox, place.bus)
    worker = Worker([receiver], place.inbox)
    watch = Stopwatch()
    async with working(consumer, worker), asyncio.TaskGroup() as tasks:
        start = time.perf_counter()
        for number, event in enumerate(events(count)):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            tasks.create_task(_timed(announce, event, began))
        await ended.wait()
    cpu = watch.read(count).cpu
    return Reading(1, median(took), cpu / count)


async def _timed(
    announce: Callable[[Event[contracts.Product]], Awaitable[None]],
    event: Event[contracts.Product],
    began: dict[object, float],
) -> None:
    began[event.id] = time.perf_counter()
    await announce(event)


ROWS = (
    Row(
        "Latency: from the change to the start of its receiver",
        "How long after a change the others know of it.",
        "1",
        sides,
        goals=(
            Goal("relayed, 50/s", "published, 50/s", 1 / 1.5),
            Goal("relayed, 200/s", "published, 200/s", 1 / 2.5),
        ),
        notes="The rate is one by the median latency in seconds, so that more is faster here too:"
        " 0.67 reads at most 1.5 times the latency, 0.4 at most 2.5 times. Both include the"
        " change's own transaction. `published` does what loses events: it publishes after the"
        " commit, without an outbox.",
    ),
)
