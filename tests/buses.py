"""What tests say to a bus and hear from it."""

import asyncio
from contextlib import suppress
from functools import partial

from heliograph import BusUnavailable
from heliograph.bus import Binding, Bus, Delivery, Message, Queue, Subscription, Topology
from tests import polling

WITHIN = 15.0

until = partial(polling.until, within=WITHIN)

EMAILS = Queue("notifier.emails", (Binding("catalog.events", "catalog.product.*"),))
AUDIT = Queue("notifier.audit", (Binding("catalog.events", "catalog.#"),))


def topology(*queues: Queue) -> Topology:
    return Topology(exchanges=("catalog.events",), queues=queues)


def message(number: int, *, key: str = "catalog.product.post_save", size: int = 0) -> Message:
    """Make the message `e<number>`, its body padded to `size` bytes."""
    name = f"e{number}"
    return Message(
        id=name,
        exchange="catalog.events",
        routing_key=key,
        headers={"ce-specversion": "1.0", "ce-id": name, "ce-source": "/cätalog"},
        body=b'{"number": %d}' % number + b" " * (size - 20),
    )


def messages(count: int, *, key: str = "catalog.product.post_save") -> list[Message]:
    return [message(number, key=key) for number in range(count)]


def ids(deliveries: list[Delivery]) -> list[str | None]:
    return [each.message_id for each in deliveries]


async def receive(
    subscription: Subscription, count: int, *, ack: bool = True, within: float = WITHIN
) -> list[Delivery]:
    """Take batches until there are `count` deliveries, acking each batch."""
    found: list[Delivery] = []
    async with asyncio.timeout(within):
        async for batch in subscription:
            found += batch
            if ack:
                await subscription.ack(batch)
            if len(found) >= count:
                break
    return found


async def publish_until_taken(bus: Bus, wanted: list[Message], *, within: float = WITHIN) -> None:
    """Publish as a relay does: again whatever was not taken."""
    left = wanted
    async with asyncio.timeout(within):
        while left:
            with suppress(BusUnavailable):
                taken = await bus.publish(left)
                left = [each for each in left if each.id not in taken]
            await asyncio.sleep(0.05 if left else 0)
