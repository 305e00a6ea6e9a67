"""The broker's failures: what is lost on the way is noticed, and all comes back by itself."""

import asyncio
import time
from collections.abc import Callable

import aiormq
import pytest

from heliograph import BusUnavailable
from heliograph.bus import Bus
from heliograph.bus.rabbitmq import RabbitBus
from tests.buses import (
    EMAILS,
    ids,
    message,
    messages,
    publish_until_taken,
    receive,
    topology,
    until,
)
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.rabbitmq_container import Container
from tests.servers.rabbitmq_node import Node

Broker = Node | Container


@pytest.fixture
def node(rabbitmq_server: RabbitMQ) -> Broker:
    """The broker as a program, which a test may stop, freeze or block."""
    if rabbitmq_server.node is None:
        pytest.skip("the broker of TEST_AMQP_URL is not ours to stop")
    return rabbitmq_server.node


async def test_connections_closed_by_the_broker_lose_nothing(
    rabbit: Bus, rabbitmq_server: RabbitMQ, amqp_url: str
) -> None:
    await rabbit.declare(topology(EMAILS))
    sent = messages(3000)
    arrived: set[str | None] = set()

    async def listen() -> None:
        async with rabbit.subscribe(EMAILS.name) as subscription:
            async for batch in subscription:
                await subscription.ack(batch)
                arrived.update(ids([*batch]))
                if len(arrived) == len(sent):
                    return

    async def disturb() -> None:
        closed = 0
        async with asyncio.timeout(20):
            while closed < 2:
                closed += await asyncio.to_thread(rabbitmq_server.close_connections, amqp_url)
                await asyncio.sleep(0.05)

    async def publish() -> None:
        for start in range(0, len(sent), 10):
            await publish_until_taken(rabbit, sent[start : start + 10])
            await asyncio.sleep(0.02)

    async with asyncio.timeout(60):
        await asyncio.gather(listen(), publish(), disturb())
    assert arrived == {each.id for each in sent}


async def test_a_deleted_queue_is_declared_and_consumed_again(
    rabbit: Bus, amqp_url: str, consuming_again: Callable[[], bool]
) -> None:
    await rabbit.declare(topology(EMAILS))
    rabbit.expect(topology(EMAILS))
    async with rabbit.subscribe(EMAILS.name) as subscription:
        await until(lambda: subscription.ready)
        async with aiormq.connect(amqp_url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(EMAILS.name)
        await until(consuming_again)
        _, found = await asyncio.gather(rabbit.publish([message(1)]), receive(subscription, 1))
    assert ids(found) == ["e1"]


async def test_a_queue_deleted_under_a_process_that_only_works_is_back_within_5_seconds(
    rabbit: Bus, amqp_url: str, consuming_again: Callable[[], bool]
) -> None:
    """What the queue held is gone: the broker keeps nothing of a deleted queue."""
    other = RabbitBus(amqp_url)
    await other.declare(topology(EMAILS))
    rabbit.expect(topology(EMAILS))
    async with rabbit.subscribe(EMAILS.name) as subscription:
        await until(lambda: subscription.ready)
        async with aiormq.connect(amqp_url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(EMAILS.name)
        await until(consuming_again, within=5)
        _, found = await asyncio.gather(other.publish([message(1)]), receive(subscription, 1))
    await other.close()
    assert ids(found) == ["e1"]


async def test_a_process_that_declared_nothing_waits_for_a_missing_queue(
    rabbit: Bus, amqp_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with rabbit.subscribe(EMAILS.name) as subscription:
        await until(lambda: "migrate" in caplog.text)
        assert not subscription.ready
        other = RabbitBus(amqp_url)
        await other.declare(topology(EMAILS))
        await other.close()
        await until(lambda: subscription.ready)


async def test_a_refused_message_is_not_among_the_taken(rabbit: Bus, amqp_url: str) -> None:
    await rabbit.declare(topology(EMAILS))
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(
            "full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await channel.queue_bind("full", "catalog.events", "catalog.image.*")
        refused = [message(n, key="catalog.image.viewed") for n in range(10, 15)]
        taken = await rabbit.publish([message(1), *refused, message(2)])
    assert {"e1", "e2"} <= taken
    assert "e14" not in taken


async def test_a_batch_that_is_refused_whole_takes_nothing(rabbit: Bus, amqp_url: str) -> None:
    await rabbit.declare(topology())
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(
            "full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
        )
        await channel.queue_bind("full", "catalog.events", "#")
        assert await rabbit.publish([message(1), message(2)]) == frozenset()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64])
async def test_a_port_that_is_no_broker_is_unavailable(greeting: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = RabbitBus(f"amqp://127.0.0.1:{port}/")
    with pytest.raises(BusUnavailable):
        await bus.check()
    await bus.close()
    server.close()


async def test_an_unreachable_broker_is_unavailable_and_its_password_is_not_shown() -> None:
    bus = RabbitBus("amqp://someone:very-secret@127.0.0.1:1/")
    with pytest.raises(BusUnavailable) as publishing:
        await bus.publish([message(1)])
    with pytest.raises(BusUnavailable) as checking:
        await bus.check()
    await bus.close()
    assert "very-secret" not in f"{publishing.value!r} {checking.value!r}"


async def test_a_wrong_password_is_unavailable_and_not_shown(amqp_url: str) -> None:
    bus = RabbitBus(amqp_url.replace(":", "://x:very-secret@", 1).replace("@//", "@", 1))
    with pytest.raises(BusUnavailable) as refusal:
        await bus.publish([message(1)])
    await bus.close()
    assert "very-secret" not in repr(refusal.value)


async def test_a_broker_that_restarts_loses_nothing(node: Broker, amqp_url: str) -> None:
    bus = RabbitBus(amqp_url, deadline=5)
    await bus.declare(topology(EMAILS))
    sent = messages(200)
    async with bus.subscribe(EMAILS.name) as subscription:
        assert len(await bus.publish(sent[:100])) == 100
        await receive(subscription, 50)
        await asyncio.to_thread(node.stop)
        await until(lambda: not subscription.ready)
        with pytest.raises(BusUnavailable):
            await bus.check()
        with pytest.raises(BusUnavailable):
            await bus.publish(sent[100:])
        await asyncio.to_thread(node.start)
        started = time.monotonic()
        await until(lambda: subscription.ready, within=5)
        await publish_until_taken(bus, sent[100:], within=5)
        assert time.monotonic() - started < 5
        arrived: set[str | None] = set()
        async with asyncio.timeout(15):
            async for batch in subscription:
                await subscription.ack(batch)
                arrived.update(ids([*batch]))
                if {each.id for each in sent[100:]} <= arrived:
                    break
    await bus.close()


async def test_a_killed_broker_keeps_what_it_confirmed(node: Broker, amqp_url: str) -> None:
    bus = RabbitBus(amqp_url, deadline=5)
    await bus.declare(topology(EMAILS))
    # RabbitMQ 3.10 forgets in a crash the log of a queue that is younger than 3 minutes: its
    # directory, `names.dets`, is saved that late, or by a shutdown in order.
    await asyncio.to_thread(node.stop)
    await asyncio.to_thread(node.start)
    confirmed: set[str] = set()

    async def publish() -> None:
        for start in range(0, 20_000, 100):
            try:
                confirmed.update(
                    await bus.publish([message(start + number) for number in range(100)])
                )
            except BusUnavailable:
                if confirmed:
                    return

    publishing = asyncio.create_task(publish())
    await until(lambda: len(confirmed) > 300)
    await asyncio.to_thread(node.kill)
    await publishing
    await asyncio.to_thread(node.start)
    arrived: set[str | None] = set()
    async with bus.subscribe(EMAILS.name) as subscription, asyncio.timeout(30):
        async for batch in subscription:
            await subscription.ack(batch)
            arrived.update(ids([*batch]))
            if confirmed <= arrived:
                break
    await bus.close()


async def test_a_frozen_broker_is_noticed_and_close_is_bounded(node: Broker, amqp_url: str) -> None:
    bus = RabbitBus(amqp_url, deadline=4)
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        await until(lambda: subscription.ready)
        await bus.publish([message(1)])
        node.pause()
        try:
            with pytest.raises(BusUnavailable):
                await bus.publish([message(2)])
            with pytest.raises(BusUnavailable):
                await bus.check()
            started = time.monotonic()
            await bus.close()
            assert time.monotonic() - started < 10
        finally:
            node.resume()


async def test_a_blocked_broker_is_unavailable_and_delivers_on(node: Broker, amqp_url: str) -> None:
    bus = RabbitBus(amqp_url, deadline=5)
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        await bus.publish([message(1)])
        await asyncio.to_thread(node.block)
        try:
            with pytest.raises(BusUnavailable, match="alarm"):
                await bus.publish([message(2)])
            with pytest.raises(BusUnavailable, match="alarm"):
                await bus.publish([message(2)])
            with pytest.raises(BusUnavailable, match="alarm"):
                await bus.check()
            assert ids(await receive(subscription, 1)) == ["e1"]
            assert subscription.ready
        finally:
            await asyncio.to_thread(node.unblock)
        await publish_until_taken(bus, [message(2), message(3)])
        found: list[str | None] = []
        async with asyncio.timeout(10):
            while "e3" not in found:
                found += ids(await receive(subscription, 1))
    await bus.close()
    assert [*dict.fromkeys(found)] == ["e2", "e3"]
