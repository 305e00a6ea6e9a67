"""FastStream over RabbitMQ: publishing with confirms, and an empty handler.

Many publishes in flight, as its documentation has it for throughput; the consumer's
prefetch is ours, and its queue is the same quorum queue.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

from benchmarks.measure import Reading, Stopwatch
from benchmarks.world import QUEUE
from heliograph.bus import Message
from heliograph.bus.rabbitmq import queue_arguments


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


async def consume(url: str, count: int, prefetch: int) -> Reading:
    """Take `count` messages from the queue, each decoded from JSON and acked."""
    broker = _broker(url, prefetch)
    arguments = {k: v for k, v in queue_arguments(QUEUE).items() if k != "x-queue-type"}
    queue = RabbitQueue(QUEUE.name, queue_type=QueueType.QUORUM, durable=True, arguments=arguments)
    handled = itertools.count(1)
    ended = asyncio.Event()

    @broker.subscriber(queue, ack_policy=AckPolicy.ACK)
    async def handle(_body: dict[str, Any]) -> None:
        if next(handled) == count:
            ended.set()

    async with broker:
        watch = Stopwatch()
        await broker.start()
        await ended.wait()
        return watch.read(count)
