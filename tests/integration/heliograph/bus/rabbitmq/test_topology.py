"""The public topology, to the letter: anyone may rely on it."""

import asyncio
from collections.abc import AsyncIterator

import aiormq
import pytest

from heliograph import BusError, BusUnavailable
from heliograph.bus import Binding, Bus, Queue, Topology, queue_arguments
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.service import patiently
from tests.buses import AUDIT, EMAILS, ids, message, messages, receive, topology, until

ELSEWHERE = Queue("notifier.elsewhere", (Binding("elsewhere.events", "#"),))


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
    async with aiormq.connect(amqp_url) as connection:
        yield await connection.channel()


async def test_the_broker_holds_exactly_what_is_promised(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    await rabbit.declare(topology(EMAILS))
    # The broker refuses to declare again with any other argument.
    await channel.exchange_declare("catalog.events.unrouted", exchange_type="fanout", durable=True)
    await channel.exchange_declare(
        "catalog.events",
        exchange_type="topic",
        durable=True,
        arguments={"alternate-exchange": "catalog.events.unrouted"},
    )
    await channel.exchange_declare("notifier.dead", exchange_type="direct", durable=True)
    await channel.queue_declare(
        "notifier.emails",
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": 200,
            "x-dead-letter-exchange": "notifier.dead",
            "x-dead-letter-routing-key": "notifier.emails.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


async def test_what_a_consumer_rejects_is_moved_to_the_dead_queue(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    await rabbit.declare(topology(EMAILS))
    await rabbit.publish([message(1)])

    async def reject(delivered: aiormq.abc.DeliveredMessage) -> None:
        await channel.basic_reject(delivered.delivery_tag or 0, requeue=False)

    await channel.basic_consume(EMAILS.name, reject)
    async with rabbit.subscribe(EMAILS.dead) as subscription:
        [delivery] = await receive(subscription, 1)
    assert delivery.message_id == "e1"
    assert delivery.headers["ce-id"] == "e1"
    assert isinstance(delivery.headers["x-death"], list)


async def test_a_queue_bound_to_the_alternate_exchange_collects_what_nobody_bound(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    await rabbit.declare(topology(EMAILS))
    await channel.queue_declare("strays", exclusive=True)
    await channel.queue_bind("strays", "catalog.events.unrouted")
    assert await rabbit.publish([message(1, key="catalog.image.viewed")]) == {"e1"}
    stray = await channel.basic_get("strays")
    assert stray.routing_key == "catalog.image.viewed"
    assert rabbit.unrouted == 0


async def test_a_queue_that_exists_otherwise_is_named(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    await channel.queue_declare(EMAILS.name, durable=True)
    with pytest.raises(BusError, match=r"notifier\.emails exists with other properties"):
        await rabbit.declare(topology(EMAILS, AUDIT))
    # It keeps nothing else from being declared.
    async with rabbit.subscribe(AUDIT.name) as subscription:
        assert await rabbit.publish([message(1)]) == {"e1"}
        assert ids(await receive(subscription, 1)) == ["e1"]


async def test_queues_of_an_earlier_release_are_named_with_what_to_do(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    """Their dead letters went by the default exchange."""
    for queue in (EMAILS, AUDIT):
        earlier = {**queue_arguments(queue), "x-dead-letter-exchange": ""}
        await channel.queue_declare(queue.name, durable=True, arguments=earlier)
    with pytest.raises(BusError) as refusal:
        await rabbit.declare(topology(EMAILS, AUDIT))
    assert not isinstance(refusal.value, BusUnavailable)
    told = str(refusal.value)
    assert "\n" not in told
    for name in ("notifier.emails", "notifier.audit"):
        assert f"the queue {name} exists with other properties (PRECONDITION_FAILED" in told
    assert told.endswith(
        ": stop what publishes, let the consumers empty what is a queue, delete it on the broker,"
        " then run `migrate` again"
    )


async def test_only_who_announces_on_an_exchange_declares_it(
    rabbit: Bus, channel: aiormq.abc.AbstractChannel
) -> None:
    with pytest.raises(BusUnavailable) as refusal:
        await rabbit.declare(Topology(queues=(EMAILS, AUDIT)))
    assert str(refusal.value) == (
        "the exchange catalog.events is missing: run `migrate` of the service that announces on it"
    )
    # The queues are there, so that only the exchange is waited for.
    await channel.queue_declare(AUDIT.name, passive=True)
    with pytest.raises(aiormq.ChannelNotFoundEntity):
        await channel.exchange_declare("catalog.events", passive=True)


async def test_a_listener_that_migrates_waits_for_the_exchange(rabbit: Bus) -> None:
    refusals = 0

    async def migrate() -> None:
        nonlocal refusals
        try:
            await rabbit.declare(Topology(queues=(EMAILS,)))
        except BusUnavailable:
            refusals += 1
            raise

    waiting = asyncio.create_task(patiently(migrate, pause=0.05))
    await until(lambda: refusals > 1)
    await rabbit.declare(topology())
    await waiting
    with pytest.raises(BusUnavailable, match=r"elsewhere\.events is missing"):
        await patiently(
            lambda: rabbit.declare(Topology(queues=(ELSEWHERE,))), patience=0.2, pause=0.05
        )


async def test_several_processes_may_declare_and_consume_at_once(amqp_url: str) -> None:
    buses = [RabbitBus(amqp_url) for _ in range(3)]
    queues = [Queue(f"notifier.r{n}", EMAILS.bindings) for n in range(4)]
    await asyncio.gather(*(bus.declare(topology(*queues)) for bus in buses))
    await buses[0].publish(messages(10))
    for queue in queues:
        async with buses[1].subscribe(queue.name) as subscription:
            assert ids(await receive(subscription, 10)) == [f"e{n}" for n in range(10)]
    await asyncio.gather(*(bus.close() for bus in buses))
