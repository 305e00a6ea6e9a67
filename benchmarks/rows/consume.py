"""Consuming: an empty receiver against Celery's task; one that writes, against two peers."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import contracts
from benchmarks.measure import Countdown, Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.peers import celery_client, faststream_app
from benchmarks.peers.ledger import Base, PriceSeen
from benchmarks.world import (
    INBOX,
    RECEIVER,
    House,
    World,
    batches,
    house,
    messages,
    purge,
    working,
)
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.database import Session
from heliograph.inbox import Consumer, Worker
from heliograph.inbox.reading import entry
from heliograph.signals import QueuedReceiver
from tests.buses import until

AT_ONCE = 8
"""Transactions that every side runs side by side, as our worker does.

So many messages the broker sends FastStream ahead too: with more it is slower, for each is a task.
"""


@asynccontextmanager
async def empty_sides(world: World) -> Sides:
    """Both have the work before them when the stopwatch starts."""
    count = world.count(10_000)
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            yield {
                "consume": lambda: consume(place, count, session=False),
                "Celery worker": lambda: celery_client.work(url, count),
            }


async def consume(place: House, count: int, *, session: bool) -> Reading:
    """Run an empty receiver on `count` rows; with a session, each in a transaction of its own."""
    await place.clear()
    await fill(place, count)
    handled = Countdown(count)
    receiver = _empty_with_session(handled) if session else _empty(handled)
    watch = Stopwatch()
    async with working(Worker([receiver], place.inbox)):
        await _done(place, handled)
        return watch.read(count)


async def _done(place: House, handled: Countdown) -> None:
    await handled.ended.wait()
    await until(lambda: place.is_empty(INBOX, "state = 'pending'"))


def _empty(handled: Countdown) -> QueuedReceiver:
    async def receive(_event: Event[contracts.Product]) -> None:
        handled.count()

    return replace(RECEIVER, function=receive)


def _empty_with_session(handled: Countdown) -> QueuedReceiver:
    async def receive(_event: Event[contracts.Product], _session: Session) -> None:
        handled.count()

    return replace(RECEIVER, function=receive, needs=(Session,))


def noting(handled: Countdown) -> QueuedReceiver:
    """Make a receiver that writes a row by its session."""

    async def receive(event: Event[contracts.Product], session: Session) -> None:
        product = event.instance
        session.add(PriceSeen(product_id=str(product.id), name=product.name, price=product.price))
        handled.count()

    return replace(RECEIVER, function=receive, needs=(Session,))


async def fill(place: House, count: int) -> None:
    """Put events into the inbox, as a consumer does."""
    entries = [
        entry(RECEIVER, Delivery("bench.receive", each.routing_key, each.headers, each.body))
        for each in messages(count)
    ]
    for start in range(0, count, 1000):
        await place.inbox.accept(RECEIVER, entries[start : start + 1000])


@asynccontextmanager
async def writing_sides(world: World) -> Sides:
    """Each side finds the same messages in its queue, and has written the same rows in the end."""
    count = world.count(4_000)
    with world.vhost() as url:
        async with world.database() as database_url, house(database_url, url) as place:
            async with place.own.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            engine = create_async_engine(database_url, pool_size=AT_ONCE, max_overflow=0)

            def written(work: Callable[[], Awaitable[Reading]]) -> Measure:
                return lambda: _written(place, url, count, work)

            try:
                yield {
                    "Heliograph": written(lambda: _write(place, count)),
                    "FastStream": written(
                        lambda: faststream_app.write(url, engine, count, AT_ONCE)
                    ),
                    "Celery worker": written(
                        lambda: celery_client.write(url, database_url, count, AT_ONCE)
                    ),
                }
            finally:
                await engine.dispose()


async def _written(
    place: House, url: str, count: int, work: Callable[[], Awaitable[Reading]]
) -> Reading:
    alone = place.own.execution_options(isolation_level="AUTOCOMMIT")
    async with alone.connect() as connection:
        await connection.execute(text("TRUNCATE price_seen, seen_event"))
        # Done rows stay for days, and PostgreSQL knows how many: an inbox that was empty when its
        # worker began is claimed from by plans for an empty table.
        await connection.execute(text("VACUUM ANALYZE inbox"))
    await purge(url)
    for batch in batches(messages(count), 500):
        await place.bus.publish(batch)
    reading = await work()
    if await place.count(Base.metadata.tables["price_seen"]) != count:
        raise RuntimeError("not every event was written once")
    return reading


async def _write(place: House, count: int) -> Reading:
    handled = Countdown(count)
    receiver = noting(handled)
    consumer = Consumer("bench", [receiver], place.inbox, place.bus)
    watch = Stopwatch()
    async with working(consumer, Worker([receiver], place.inbox, concurrency=AT_ONCE)):
        await _done(place, handled)
        return watch.read(count)


ROWS = (
    Row(
        "Consuming: receiver done, inbox row marked",
        "What a server is paid for each event that a receiver only looks at.",
        "events",
        empty_sides,
        goals=(Goal("consume", "Celery worker", 2),),
        notes="One worker process each. Celery's acks its task before it runs it, its default:"
        " a task is lost with its process, an event here is not.",
    ),
    Row(
        "Consuming with a session: one row written, once per event",
        "What a server is paid for each event that another team keeps in its own database, and"
        " must not keep twice.",
        "events",
        writing_sides,
        goals=(Goal("Heliograph", "FastStream", 1), Goal("Heliograph", "Celery worker", 1)),
        notes="From the broker's queue to the commit, one process each,"
        f" {AT_ONCE} transactions side by side. Each inserts the same row by a session of"
        " SQLAlchemy. The peers note the event's id in the same transaction, skip an event whose id"
        " is noted, and ack after the commit; here the inbox does that, and keeps the order of"
        " each product's events besides, which the peers do not.",
    ),
)
