"""Two services are replaced under traffic by releases that say `title` for `name`."""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiormq
import pytest
from sqlalchemy import BigInteger, Column, Table, Text, insert, select

import contracts
from heliograph import Event
from heliograph.bus import Topology
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.database import Session
from heliograph.events import EventKind
from heliograph.inbox import Consumer, Worker
from heliograph.outbox import Relay
from heliograph.signals import QueuedReceiver
from tests.databases import postgresql_alone
from tests.integration.heliograph.conftest import House, metadata, open_house, running
from tests.polling import until
from tests.samples import ProductV2, event, renamed

SIGNALS = ("pre_save", "post_save")
WRITERS = 3
PAUSE_S = 0.01
"""Between two changes of a product."""
BETWEEN = 60
"""Changes that are made between two replacements."""

effects = Table(
    "effects",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),
    Column("sequence", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("release", Text, nullable=False),
)


async def _record(session: Session, event: Event[Any], told: str, release: str) -> None:
    await session.execute(
        insert(effects).values(
            subject=str(event.instance.id), sequence=event.sequence, event_id=str(event.id),
            told=told, release=release,
        )
    )  # fmt: skip


def _older() -> QueuedReceiver:
    async def record(event: Event[contracts.Product], session: Session) -> None:
        await _record(session, event, event.instance.name, "older")

    listens = tuple(EventKind(signal, contracts.Product) for signal in SIGNALS)
    return QueuedReceiver(record, listens, (Session,))


def _newer() -> QueuedReceiver:
    async def record(event: Event[ProductV2], session: Session) -> None:
        await _record(session, event, event.instance.title, "newer")

    return QueuedReceiver(
        record, tuple(EventKind(signal, ProductV2) for signal in SIGNALS), (Session,)
    )


OLDER, NEWER = _older(), _newer()


class Process:
    """A process of a service of some release: `serve` without its API."""

    def __init__(self, url: str, amqp_url: str, *, newer: bool, receives: bool) -> None:
        self.newer = newer
        self._urls = (url, amqp_url)
        self._receives = receives
        self._life = AsyncExitStack()
        self.house: House

    async def start(self) -> None:
        url, amqp_url = self._urls
        self.house = await self._life.enter_async_context(open_house(url))
        bus = RabbitBus(amqp_url)
        self._life.push_async_callback(bus.close)
        if self._receives:
            receiver = NEWER if self.newer else OLDER
            # As `migrate` does before the first process of a release is started.
            await bus.declare(Topology((), (receiver.queue("test"),)))
            consumer = Consumer("test", [receiver], self.house.inbox, bus)
            worker = Worker([receiver], self.house.inbox)
            await self._life.enter_async_context(running(consumer, worker))
        else:
            await bus.declare(Topology(("catalog.events",)))
            relay = Relay(self.house.claims(), bus, self.house.outbox.bell)
            await self._life.enter_async_context(running(relay))

    async def stop(self) -> None:
        await self._life.aclose()


class Traffic:
    """Writers, each of one product, that hand every change to one of the senders that run."""

    def __init__(self, senders: list[Process]) -> None:
        self.senders = senders
        self.made: defaultdict[str, list[str]] = defaultdict(list)
        """By product, what its changes say, in their order."""
        self._busy: defaultdict[Process, int] = defaultdict(int)

    @property
    def count(self) -> int:
        return sum(map(len, self.made.values()))

    async def write(self, stopping: asyncio.Event) -> None:
        lamp = renamed()
        for version in itertools.count(1):
            if stopping.is_set():
                return
            sender = random.choice(self.senders)  # noqa: S311 - nobody is to guess it, or not
            title = f"title {version}"
            told = lamp.model_copy(update={"title": title, "version": version})
            snapshot = told if sender.newer else told.downcast()
            self._busy[sender] += 1
            try:
                await sender.house.announce(
                    *(event(snapshot, signal=signal, version=version) for signal in SIGNALS)
                )
            finally:
                self._busy[sender] -= 1
            self.made[str(lamp.id)].append(title)
            await asyncio.sleep(PAUSE_S)

    async def drain(self, sender: Process) -> None:
        """Hand it no more changes, and wait for those that it has."""
        self.senders.remove(sender)
        await until(lambda: self._busy[sender] == 0)


@asynccontextmanager
async def traffic(senders: list[Process]) -> AsyncIterator[Traffic]:
    found = Traffic(senders)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WRITERS):
            tasks.create_task(found.write(stopping))
        yield found
        stopping.set()


async def some_more(found: Traffic) -> None:
    enough = found.count + BETWEEN
    await until(lambda: found.count >= enough, within=60)


async def replace_all(
    found: Traffic, processes: list[Process], make: Callable[[], Process], *, senders: bool
) -> None:
    """Start a process of the newer release, then stop one of the older, until all are new."""
    for old in tuple(processes):
        new = make()
        await new.start()
        processes.append(new)
        await some_more(found)
        if senders:
            found.senders.append(new)
            await some_more(found)
            await found.drain(old)
        await old.stop()
        processes.remove(old)
        await some_more(found)


@pytest.fixture
async def stranger(amqp_url: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    """Somebody who has bound the old keys to a queue of theirs."""
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.exchange_declare(
            "catalog.events",
            exchange_type="topic",
            durable=True,
            arguments={"alternate-exchange": "catalog.events.unrouted"},
        )
        await channel.queue_declare("stranger")
        for signal in SIGNALS:
            await channel.queue_bind("stranger", "catalog.events", f"catalog.product.{signal}")
        yield channel


@postgresql_alone
@pytest.mark.parametrize("first", ["sender", "receiver"])
async def test_a_rolling_replacement_parks_nothing_and_repeats_nothing(
    database_url: str, amqp_url: str, stranger: aiormq.abc.AbstractChannel, first: str
) -> None:
    def process(*, newer: bool, receives: bool) -> Process:
        return Process(database_url, amqp_url, newer=newer, receives=receives)

    senders = [process(newer=False, receives=False) for _ in range(2)]
    receivers = [process(newer=False, receives=True) for _ in range(2)]
    for each in (*senders, *receivers):
        await each.start()
    steps = [
        (senders, lambda: process(newer=True, receives=False)),
        (receivers, lambda: process(newer=True, receives=True)),
    ]
    async with traffic([*senders]) as found:
        await some_more(found)
        for processes, make in steps if first == "sender" else reversed(steps):
            await replace_all(found, processes, make, senders=processes is senders)
    house = receivers[0].house
    expected = {
        product: [(f"{number:012d}.{place:04d}", title) for number, title in enumerate(titles, 1)
                  for place in range(2)]
        for product, titles in found.made.items()
    }  # fmt: skip

    async def all_is_done() -> bool:
        async with house.database.reading() as session:
            count = len((await session.scalars(select(effects.c.id))).all())
        return count >= 2 * found.count

    await until(all_is_done, within=60)
    assert await house.inbox.parked.page() == []
    assert await house.inbox.status() == {("record", "done"): 2 * found.count}
    async with house.database.reading() as session:
        rows = (await session.execute(select(effects).order_by(effects.c.id))).all()
    had: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        had[row.subject].append((row.sequence, row.told))
    assert had == expected
    assert len({row.event_id for row in rows}) == len(rows)
    assert {row.release for row in rows} == {"older", "newer"}
    met = []
    while (got := await stranger.basic_get("stranger", no_ack=True)).body:
        met.append(got.header.properties.headers or {})
    assert {str(headers["ce-type"])[-3:] for headers in met} == {".v1"}
    assert {headers["ce-id"] for headers in met} == {row.event_id for row in rows}
