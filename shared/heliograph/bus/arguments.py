"""The arguments of a receiver's queue: a public contract, the same on RabbitMQ 3.10 to 4.x."""

from typing import Any

from heliograph.bus.protocol import Queue

DELIVERY_LIMIT = 200


def queue_arguments(queue: Queue) -> dict[str, Any]:
    """Return the arguments with which a receiver's queue is declared."""
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": queue.dead_exchange,
        "x-dead-letter-routing-key": queue.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
