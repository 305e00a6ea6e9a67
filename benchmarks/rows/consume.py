"""Consuming: receiver done and inbox row marked, against a Celery worker with an empty task."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import contracts
from benchmarks.measure import Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import celery_client
from benchmarks.world import INBOX, RECEIVER, House, World, house, messages, working
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.database import Session
from heliograph.inbox import Worker
from heliograph.inbox.reading import entry
from tests.buses import until


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Both have the work before them when the stopwatch starts."""
    count = world.count(10_000)
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            yield {
                "consume": lambda: consume(place, count, session=False),
                "consume, with a session": lambda: consume(place, count // 5, session=True),
                "Celery worker": lambda: celery_client.work(url, count),
            }


async def consume(place: House, count: int, *, session: bool) -> Reading:
    """Run an empty receiver on `count` rows; with a session, each in a transaction of its own."""
    await place.clear()
    await fill(place, count)
    ended = asyncio.Event()
    left = count

    def handled() -> None:
        nonlocal left
        left -= 1
        if not left:
            ended.set()

    receiver = replace(
        RECEIVER,
        function=_with_session(handled) if session else _without(handled),
        needs=(Session,) if session else (),
    )
    watch = Stopwatch()
    async with working(Worker([receiver], place.inbox)):
        await ended.wait()
        await until(lambda: place.is_empty(INBOX, "state = 'pending'"))
        return watch.read(count)


def _without(handled: Callable[[], None]) -> Callable[..., object]:
    async def receive(_event: Event[contracts.Product]) -> None:
        handled()

    return receive


def _with_session(handled: Callable[[], None]) -> Callable[..., object]:
    async def receive(_event: Event[contracts.Product], _session: Session) -> None:
        handled()

    return receive


async def fill(place: House, count: int) -> None:
    """Put events into the inbox, as a consumer does."""
    entries = [
        entry(RECEIVER, Delivery("bench.receive", each.routing_key, each.headers, each.body))
        for each in messages(count)
    ]
    for start in range(0, count, 1000):
        await place.inbox.accept(RECEIVER, entries[start : start + 1000])


ROW = Row(
    "Consuming: receiver done, inbox row marked",
    "events",
    sides,
    goals=(Goal("consume", "Celery worker", 2),),
    notes="One worker process each. Celery's acks its task before it runs it, its default:"
    " a task is lost with its process, an event here is not.",
)
