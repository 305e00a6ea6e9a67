"""The bus through RabbitMQ, versions 3.10 to 4.x.

Built on aiormq, the connection beneath aio-pika; `docs/decisions/0002-one-write-a-batch.md`
says why. Publishing and consuming have a connection each, for the broker blocks those
that publish when it runs short of memory or disk.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from heliograph.bus.protocol import Message, Topology
from heliograph.bus.rabbitmq.connection import Link, end_channel
from heliograph.bus.rabbitmq.publisher import CONFIRM_DEADLINE, RabbitPublisher
from heliograph.bus.rabbitmq.subscription import RabbitSubscription
from heliograph.bus.rabbitmq.topology import declare
from heliograph.errors import BusUnavailable


class RabbitBus:
    """Carries messages through the broker at an `amqp[s]://` URL.

    Confirmed means that every bound quorum queue has it on disk. `name` is what the
    broker shows beside each connection, `deadline` the seconds that a publish waits for
    its confirms.
    """

    def __init__(
        self, url: str, *, name: str = "heliograph", deadline: float = CONFIRM_DEADLINE
    ) -> None:
        self._publishing = Link(url, f"{name} publishing")
        self._consuming = Link(url, f"{name} consuming")
        self._publisher = RabbitPublisher(self._publishing, self._restore, deadline=deadline)
        self._subscriptions: set[RabbitSubscription] = set()
        self._expected: list[Topology] = []

    @property
    def unrouted(self) -> int:
        return self._publisher.unrouted

    async def declare(self, topology: Topology) -> None:
        # A blocked connection answers nothing; the one that consumes is never blocked.
        channel = await self._consuming.channel()
        try:
            await declare(channel, topology)
        finally:
            await end_channel(channel)
        self.expect(topology)

    def expect(self, topology: Topology) -> None:
        if topology not in self._expected:
            self._expected.append(topology)

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        return await self._publisher.publish(messages)

    @asynccontextmanager
    async def subscribe(
        self, queue: str, *, prefetch: int = 200
    ) -> AsyncIterator[RabbitSubscription]:
        if self._consuming.closed:
            raise BusUnavailable("the bus is closed")
        subscription = RabbitSubscription(self._consuming, queue, prefetch, self._restore)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            await subscription.end()

    async def check(self) -> None:
        await self._publisher.check()

    async def close(self) -> None:
        await asyncio.gather(*(each.end() for each in self._subscriptions))
        await asyncio.gather(self._publishing.close(), self._consuming.close())

    async def _restore(self) -> None:
        """Declare what this process expects, on a broker that has lost it."""
        for topology in tuple(self._expected):
            await self.declare(topology)
