"""What services declare on the broker: a public contract, the same on RabbitMQ 3.10 to 4.x."""

from collections.abc import Coroutine
from typing import Any

from aiormq import Channel
from aiormq.exceptions import AMQPChannelError, ChannelPreconditionFailed

from heliograph.bus.protocol import Queue, Topology
from heliograph.bus.rabbitmq.connection import CALL_DEADLINE, within
from heliograph.errors import BusError

DELIVERY_LIMIT = 200
UNLIMITED = 2**31 - 1
"""A queue of its kind knows no greater limit, and from RabbitMQ 4.0 on the default is 20."""


async def declare(channel: Channel, topology: Topology) -> None:
    """Create what is missing, the exchanges behind the bindings included.

    So services may come up in any order. Raises `BusError` if something exists otherwise;
    the broker closes the channel with that.
    """
    bound = {binding.exchange for queue in topology.queues for binding in queue.bindings}
    for exchange in sorted(bound.union(topology.exchanges)):
        await _declare_exchange(channel, exchange)
    for queue in topology.queues:
        await _declare_queue(channel, queue)


def queue_arguments(queue: Queue) -> dict[str, Any]:
    """Return the arguments of a receiver's queue."""
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


async def _declare_exchange(channel: Channel, name: str) -> None:
    unrouted = f"{name}.unrouted"
    await _declaring(
        f"the exchange {unrouted}",
        channel.exchange_declare(unrouted, exchange_type="fanout", durable=True),
    )
    await _declaring(
        f"the exchange {name}",
        channel.exchange_declare(
            name,
            exchange_type="topic",
            durable=True,
            arguments={"alternate-exchange": unrouted},
        ),
    )


async def _declare_queue(channel: Channel, queue: Queue) -> None:
    # First, so that nothing is ever dead-lettered to a queue that is not there.
    await _declaring(
        f"the queue {queue.dead}",
        channel.queue_declare(
            queue.dead,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED},
        ),
    )
    await _declaring(
        f"the queue {queue.name}",
        channel.queue_declare(queue.name, durable=True, arguments=queue_arguments(queue)),
    )
    for binding in queue.bindings:
        await _declaring(
            f"the binding of {queue.name} to {binding.exchange}",
            channel.queue_bind(queue.name, binding.exchange, binding.pattern),
        )


async def _declaring(what: str, call: Coroutine[Any, Any, object]) -> None:
    try:
        await within(CALL_DEADLINE, call)
    except ChannelPreconditionFailed as error:
        raise BusError(
            f"{what} exists with other properties ({error}); let its consumers empty it,"
            " delete it on the broker, then run `migrate` again"
        ) from error
    except AMQPChannelError as error:
        raise BusError(f"the broker refuses {what}: {error}") from error
