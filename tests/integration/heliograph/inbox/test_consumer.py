import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

import contracts
from heliograph import DatabaseUnavailable, Event
from heliograph.bus import Topology
from heliograph.events import EventKind, encode
from heliograph.inbox import Consumer, Inbox
from heliograph.inbox.consumer import BATCH
from heliograph.inbox.reading import Entry
from heliograph.signals import QueuedReceiver
from tests.integration.heliograph.conftest import House, inbox_rows, running
from tests.polling import until
from tests.samples import event


async def note(_event: Event[contracts.Product]) -> None: ...


RECEIVER = QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())


@pytest.fixture
async def ids(house: House) -> AsyncIterator[list[str]]:
    """What waits in the receiver's queue: more than is accepted at once."""
    await house.bus.declare(Topology(("catalog.events",), (RECEIVER.queue("test"),)))
    messages = [encode(event()) for _ in range(2 * BATCH + BATCH // 2)]
    # This bus has a message when a consumer has it.
    publishing = asyncio.create_task(house.bus.publish(messages))
    yield [each.id for each in messages]
    assert len(await publishing) == len(messages)


async def accepted(house: House) -> list[str]:
    async with house.database.reading() as session:
        found = await session.scalars(select(inbox_rows.c.event_id).order_by(inbox_rows.c.id))
        return list(found)


async def test_what_waits_is_accepted_in_its_order(house: House, ids: list[str]) -> None:
    consumer = Consumer("test", [RECEIVER], house.inbox, house.bus)
    assert consumer.trouble == "the queue test.note is not consumed"

    async def all_are_there() -> bool:
        return await accepted(house) == ids

    async with running(consumer):
        await until(lambda: consumer.trouble is None)
        await until(all_are_there)


class AwayInbox(Inbox):
    """Its database is away; remembers what it was asked to accept."""

    def __init__(self, house: House) -> None:
        super().__init__(house.database, inbox_rows, house.inbox.bell)
        self.asked: list[list[str]] = []

    async def accept(self, receiver: QueuedReceiver, entries: Sequence[Entry]) -> None:
        self.asked.append([each.event_id for each in entries])
        raise DatabaseUnavailable("away")


async def test_nothing_passes_a_batch_that_was_given_up(house: House, ids: list[str]) -> None:
    away = AwayInbox(house)
    async with running(Consumer("test", [RECEIVER], away, house.bus)):
        await until(lambda: len(away.asked) > 1)
    first, *others = away.asked
    assert first == ids[:BATCH]
    assert all(each == first for each in others)

    async def all_are_there() -> bool:
        return await accepted(house) == ids

    async with running(Consumer("test", [RECEIVER], house.inbox, house.bus)):
        await until(all_are_there)


class StoppingInbox(Inbox):
    """Its program is told to stop while the first batch is accepted."""

    def __init__(self, house: House, stopping: asyncio.Event) -> None:
        super().__init__(house.database, inbox_rows, house.inbox.bell)
        self._stopping = stopping

    async def accept(self, receiver: QueuedReceiver, entries: Sequence[Entry]) -> None:
        await super().accept(receiver, entries)
        self._stopping.set()


async def test_a_consumer_stops_although_something_always_arrives(
    house: House, ids: list[str]
) -> None:
    stopping = asyncio.Event()
    await Consumer("test", [RECEIVER], StoppingInbox(house, stopping), house.bus).run(stopping)
    # What had arrived together, and no more.
    assert await accepted(house) == ids[: 2 * BATCH]

    async def all_are_there() -> bool:
        return await accepted(house) == ids

    async with running(Consumer("test", [RECEIVER], house.inbox, house.bus)):
        await until(all_are_there)


async def test_what_the_broker_gave_up_on_is_parked(house: House) -> None:
    dead = replace(RECEIVER.queue("test"), name=RECEIVER.queue("test").dead)
    await house.bus.declare(Topology(("catalog.events",), (dead,)))
    async with running(Consumer("test", [RECEIVER], house.inbox, house.bus)):
        await house.bus.publish([encode(event())])
    [parked] = await house.inbox.parked.page()
    assert parked.reason == "the broker gave up: delivered again and again, never accepted"
