"""FastStream over RabbitMQ: publishing with confirms, an empty handler, and one that writes.

Many publishes in flight, as its documentation has it for throughput; the consumer's
prefetch is ours, and its queue is the same quorum queue.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from benchmarks.measure import Countdown, Reading, Stopwatch
from benchmarks.peers.ledger import FIRST_SIGHT, PriceSeen
from benchmarks.world import QUEUE
from heliograph.bus import Message, queue_arguments


def _broker(url: str, prefetch: int | None = None) -> RabbitBroker:
    # No log line a message: its documentation advises so for production.
    return RabbitBroker(
        url, logger=None, default_channel=Channel(prefetch_count=prefetch, publisher_confirms=True)
    )


async def publish(url: str, messages: Sequence[Message], in_flight: int) -> Reading:
    """Publish all messages and wait for every confirm."""
    async with _broker(url) as broker:
        exchange = RabbitExchange(messages[0].exchange, declare=False)
        waiting = iter(messages)

        async def publisher() -> None:
            for message in waiting:
                await broker.publish(
                    message.body,
                    exchange=exchange,
                    routing_key=message.routing_key,
                    headers=dict(message.headers),
                    message_id=message.id,
                    content_type="application/json",
                    persist=True,
                )

        watch = Stopwatch()
        await asyncio.gather(*(publisher() for _ in range(in_flight)))
        return watch.read(len(messages))


def _queue() -> RabbitQueue:
    arguments = {k: v for k, v in queue_arguments(QUEUE).items() if k != "x-queue-type"}
    return RabbitQueue(QUEUE.name, queue_type=QueueType.QUORUM, durable=True, arguments=arguments)


async def consume(url: str, count: int, prefetch: int) -> Reading:
    """Take `count` messages from the queue, each decoded from JSON and acked."""
    broker, handled = _broker(url, prefetch), Countdown(count)

    @broker.subscriber(_queue(), ack_policy=AckPolicy.ACK)
    async def handle(_body: dict[str, Any]) -> None:
        handled.count()

    return await _read(broker, handled)


async def write(url: str, engine: AsyncEngine, count: int, prefetch: int) -> Reading:
    """Write by a session what `count` messages tell, once each, and ack after the commit."""
    broker, handled = _broker(url, prefetch), Countdown(count)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @broker.subscriber(_queue(), ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(body: dict[str, Any], message: RabbitMessage) -> None:
        product = body["instance"]
        async with sessions.begin() as session:
            if await session.scalar(FIRST_SIGHT, {"event_id": message.message_id}) is not None:
                session.add(
                    PriceSeen(
                        product_id=product["id"],
                        name=product["name"],
                        price=Decimal(product["price"]),
                    )
                )
        handled.count()

    return await _read(broker, handled)


async def _read(broker: RabbitBroker, handled: Countdown) -> Reading:
    async with broker:
        watch = Stopwatch()
        await broker.start()
        await handled.ended.wait()
        return watch.read(handled.total)
