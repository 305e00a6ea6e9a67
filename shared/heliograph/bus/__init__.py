"""The bus: how events get from the relay to every receiver's queue.

One protocol, two buses: `MemoryBus` joins services of one process, `heliograph.bus.rabbitmq` goes
through a broker and needs the extra `rabbitmq`.
"""

from heliograph.bus.arguments import queue_arguments
from heliograph.bus.connect import bus_from_url
from heliograph.bus.memory import MemoryBus
from heliograph.bus.protocol import (
    KEPT,
    LARGEST_BODY,
    Binding,
    Bus,
    Delivery,
    Message,
    Publisher,
    Queue,
    Subscription,
    Topology,
)

__all__ = [
    "KEPT",
    "LARGEST_BODY",
    "Binding",
    "Bus",
    "Delivery",
    "MemoryBus",
    "Message",
    "Publisher",
    "Queue",
    "Subscription",
    "Topology",
    "bus_from_url",
    "queue_arguments",
]
