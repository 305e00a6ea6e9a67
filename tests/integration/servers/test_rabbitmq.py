import asyncio
import time

import aio_pika
import aiormq
import pytest

from tests.servers.rabbitmq import RabbitMQ

QUEUE = "traces"


async def publish(url: str) -> int:
    """Send a persistent message and return how many the queue held before."""
    async with await aio_pika.connect(url, timeout=10) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, durable=True)
        message = aio_pika.Message(b"trace", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, QUEUE, timeout=10)
        return queue.declaration_result.message_count or 0


@pytest.mark.parametrize("repetition", [1, 2])
async def test_every_test_gets_an_empty_virtual_host(amqp_url: str, repetition: int) -> None:
    assert await publish(amqp_url) == 0


async def test_a_virtual_host_is_gone_after_its_test(rabbitmq_server: RabbitMQ) -> None:
    with rabbitmq_server.vhost() as url:
        await publish(url)

    with pytest.raises(aiormq.exceptions.AMQPError):
        await publish(url)


async def test_connections_can_be_closed_from_outside(
    rabbitmq_server: RabbitMQ, amqp_url: str
) -> None:
    closed = asyncio.Event()
    connection = await aio_pika.connect(amqp_url)
    connection.close_callbacks.add(lambda *_: closed.set())

    deadline = time.monotonic() + 15
    while not await asyncio.to_thread(rabbitmq_server.close_connections, amqp_url):
        assert time.monotonic() < deadline

    async with asyncio.timeout(10):
        await closed.wait()


async def test_a_crashed_broker_comes_back_with_what_it_confirmed(
    rabbitmq_server: RabbitMQ, amqp_url: str
) -> None:
    if rabbitmq_server.node is None:
        pytest.skip("the broker of TEST_AMQP_URL is not ours to kill")
    # The broker writes down a new queue a moment after it has confirmed it; an orderly stop
    # waits for that.
    await publish(amqp_url)
    await asyncio.to_thread(rabbitmq_server.node.stop)
    await asyncio.to_thread(rabbitmq_server.node.start)
    assert await publish(amqp_url) == 1

    await asyncio.to_thread(rabbitmq_server.node.kill)
    await asyncio.to_thread(rabbitmq_server.node.start)

    assert await publish(amqp_url) == 2
