import asyncio

import pytest

from heliograph import BusUnavailable
from heliograph.bus import MemoryBus, Topology
from heliograph.bus.memory import topic_matches
from tests.buses import AUDIT, EMAILS, ids, message, messages, receive, topology

DEADLINE = 0.5
"""Seconds: what is acked here is acked at once, and what is not costs so much."""


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("catalog.product.viewed", "catalog.product.viewed", True),
        ("catalog.product.viewed", "catalog.product", False),
        ("catalog.product", "catalog.product.viewed", False),
        ("catalog.*.viewed", "catalog.product.viewed", True),
        ("catalog.*", "catalog.product.viewed", False),
        ("*", "", True),
        ("#", "", True),
        ("#", "catalog.product.viewed", True),
        ("catalog.#", "catalog", True),
        ("catalog.#.viewed", "catalog.viewed", True),
        ("catalog.#.viewed", "catalog.a.b.viewed", True),
        ("catalog.#.viewed", "catalog.a.b.saved", False),
        ("#.*", "", True),
        ("*.#.*", "catalog", False),
    ],
)
def test_topics_match_as_the_broker_matches_them(pattern: str, key: str, expected: object) -> None:
    assert topic_matches(pattern, key) is expected


async def test_what_one_subscriber_has_not_acked_in_time_is_not_taken() -> None:
    bus = MemoryBus(deadline=DEADLINE)
    await bus.declare(topology(EMAILS, AUDIT))
    async with bus.subscribe(EMAILS.name) as emails:
        category = message(9, key="catalog.image.viewed")
        publishing = asyncio.create_task(bus.publish([message(1), category]))
        await receive(emails, 1)
        with pytest.raises(BusUnavailable, match=r"notifier\.audit") as waited:
            await publishing
    assert waited.value.taken == frozenset()


async def test_what_was_withdrawn_is_delivered_to_nobody() -> None:
    bus = MemoryBus(deadline=DEADLINE)
    await bus.declare(topology(EMAILS))
    with pytest.raises(BusUnavailable):
        await bus.publish(messages(3))
    async with bus.subscribe(EMAILS.name) as subscription:
        publishing = asyncio.create_task(bus.publish([message(7)]))
        assert ids(await receive(subscription, 1)) == ["e7"]
        assert await publishing == {"e7"}


async def test_what_is_withdrawn_while_it_is_out_does_not_come_back() -> None:
    bus = MemoryBus(deadline=DEADLINE)
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        publishing = asyncio.create_task(bus.publish([message(1)]))
        await receive(subscription, 1, ack=False)
        with pytest.raises(BusUnavailable):
            await publishing
    async with bus.subscribe(EMAILS.name) as subscription:
        publishing = asyncio.create_task(bus.publish([message(2)]))
        assert ids(await receive(subscription, 1)) == ["e2"]
        await publishing


async def test_a_receiver_may_come_up_before_the_service_that_it_listens_to() -> None:
    bus = MemoryBus(deadline=DEADLINE)
    await bus.declare(Topology(queues=(EMAILS,)))
    await bus.declare(Topology(exchanges=("catalog.events",)))
    async with bus.subscribe(EMAILS.name) as subscription:
        _, found = await asyncio.gather(bus.publish(messages(1)), receive(subscription, 1))
    assert ids(found) == ["e0"]


async def test_closing_frees_a_publish_that_waits() -> None:
    bus = MemoryBus(deadline=60)
    await bus.declare(topology(EMAILS))
    publishing = asyncio.create_task(bus.publish([message(1)]))
    await asyncio.sleep(0)
    await bus.close()
    async with asyncio.timeout(10):
        with pytest.raises(BusUnavailable):
            await publishing
