"""An event type of which a field was renamed, announced in both versions."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

import contracts
from heliograph import Contract, Event
from heliograph.bus import Binding, Bus, Queue, Topology, bus_from_url
from heliograph.events import EventKind
from heliograph.inbox import Consumer, Worker
from heliograph.outbox import Relay
from heliograph.signals import QueuedReceiver
from tests.buses import receive
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, running
from tests.polling import until
from tests.samples import ProductV2, event, renamed

KEY = "catalog.product.post_save"
STRANGER = Queue("stranger.q", (Binding("catalog.events", KEY),))
EVERYTHING = Queue("stranger.all", (Binding("catalog.events", "catalog.#"),))


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    rabbit = request.param == "rabbitmq"
    bus = bus_from_url(request.getfixturevalue("amqp_url") if rabbit else "memory://")
    yield bus
    await bus.close()


class Seen:
    """Receivers of each release, and what they were given."""

    def __init__(self) -> None:
        self.by_name: list[str] = []
        self.by_title: list[str] = []

        async def reads_names(event: Event[contracts.Product]) -> None:
            self.by_name.append(event.instance.name)

        async def reads_titles(event: Event[ProductV2]) -> None:
            self.by_title.append(event.instance.title)

        self.receivers = [
            QueuedReceiver(reads_names, (EventKind("post_save", contracts.Product),), ()),
            QueuedReceiver(reads_titles, (EventKind("post_save", ProductV2),), ()),
        ]


@sqlite_suffices
async def test_both_versions_come_to_who_reads_them(house: House, bus: Bus) -> None:
    class Stopped(ProductV2):
        """As it is when its sender has stopped to announce version 1."""

        before: ClassVar[type[Contract]] = None  # type: ignore[assignment]

    seen = Seen()
    queues = tuple(each.queue("test") for each in seen.receivers)
    await bus.declare(Topology(("catalog.events",), (*queues, STRANGER, EVERYTHING)))
    lamp = renamed(title="one")
    relay = Relay(house.claims(), bus, house.outbox.bell)
    consumer = Consumer("test", seen.receivers, house.inbox, bus)
    worker = Worker(seen.receivers, house.inbox)
    async with (
        running(relay, consumer, worker),
        bus.subscribe(STRANGER.name) as stranger,
        bus.subscribe(EVERYTHING.name) as everything,
    ):
        both = asyncio.create_task(receive(everything, 5))
        await house.announce(event(lamp.downcast()))
        await house.announce(event(lamp.model_copy(update={"title": "two"}), version=2))
        met = await receive(stranger, 2)
        # A receiver needs no change when the older version ends.
        await house.announce(event(Stopped(**dict(lamp) | {"title": "three"}), version=3))
        await house.announce(event(renamed(title="other").downcast()))
        # Of two subjects either may be the first.
        await until(lambda: "other" in seen.by_title and "other" in seen.by_name)
        await until(lambda: len(seen.by_title) == 4)
        [last] = await receive(stranger, 1)
        heard = await both
    assert sorted(seen.by_name) == ["one", "other", "two"]
    assert [each for each in seen.by_title if each != "other"] == ["one", "two", "three"]
    types = [each.headers["ce-type"] for each in (*met, last)]
    assert types == [f"{KEY}.v1"] * 3
    assert all("ce-besides" not in each.headers for each in met)
    assert [each.headers["ce-type"] for each in heard if b"other" not in each.body][:4] == [
        f"{KEY}.v1", f"{KEY}.v2", f"{KEY}.v1", f"{KEY}.v2",
    ]  # fmt: skip
    assert await house.inbox.parked.page() == []


@sqlite_suffices
async def test_a_receiver_of_version_1_in_whose_queue_version_2_comes_leaves_it(
    house: House, bus: Bus
) -> None:
    seen = Seen()
    older, newer = seen.receivers
    # The newer release has been migrated; of the older one a process still consumes.
    queue = Queue(older.queue("test").name, newer.queue("test").bindings)
    await bus.declare(Topology(("catalog.events",), (queue,)))
    async with running(
        Relay(house.claims(), bus, house.outbox.bell),
        Consumer("test", [older], house.inbox, bus),
        Worker([older], house.inbox),
    ):
        for number in range(5):
            await house.announce(event(renamed(title=f"lamp {number}")))
        await until(lambda: len(seen.by_name) == 5)
    assert await house.outbox.status() == (0, 0.0)
    assert await house.inbox.status() == {("reads_names", "done"): 5}
