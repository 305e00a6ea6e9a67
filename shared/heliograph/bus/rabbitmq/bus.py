"""The bus through RabbitMQ, versions 3.10 to 4.x.

Built on aiormq, the connection beneath aio-pika; `docs/decisions/0002-one-write-a-batch.md`
says why. Publishing and consuming have a connection each, for the broker blocks those
that publish when it runs short of memory or disk.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from heliograph.bus.protocol import Message, Topology
from heliograph.bus.rabbitmq.connection import Link
from heliograph.bus.rabbitmq.keeper import DECLARED_EVERY_S, TopologyKeeper
from heliograph.bus.rabbitmq.publisher import CONFIRM_DEADLINE, RabbitPublisher
from heliograph.bus.rabbitmq.subscription import RabbitSubscription
from heliograph.bus.rabbitmq.topology import declare
from heliograph.errors import BusUnavailable


class RabbitBus:
    """Carries messages through the broker at an `amqp[s]://` URL.

    Confirmed means that every bound quorum queue has it on disk. `name` is what the
    broker shows beside each connection, `deadline` the seconds that a publish waits for
    its confirms, `declared_every` those after which what is expected is declared again.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "heliograph",
        deadline: float = CONFIRM_DEADLINE,
        declared_every: float = DECLARED_EVERY_S,
    ) -> None:
        self._publishing = Link(url, f"{name} publishing")
        # A blocked connection answers nothing; the one that consumes is never blocked.
        self._consuming = Link(url, f"{name} consuming")
        self._keeper = TopologyKeeper(self._consuming, every=declared_every)
        self._publishing.on_open = self._consuming.on_open = self._keeper.wake
        self._publisher = RabbitPublisher(self._publishing, self._keeper.wake, deadline=deadline)
        self._subscriptions: set[RabbitSubscription] = set()

    @property
    def user(self) -> str:
        return self._publishing.user

    @property
    def unrouted(self) -> int:
        return self._publisher.unrouted

    async def declare(self, topology: Topology) -> None:
        await declare(self._consuming, topology)

    def expect(self, topology: Topology) -> None:
        self._keeper.expect(topology)

    async def verify(self) -> None:
        await self._keeper.verify()

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        return await self._publisher.publish(messages)

    @asynccontextmanager
    async def subscribe(
        self, queue: str, *, prefetch: int = 200
    ) -> AsyncIterator[RabbitSubscription]:
        if self._consuming.closed:
            raise BusUnavailable("the bus is closed")
        subscription = RabbitSubscription(self._consuming, queue, prefetch, self._keeper.wake)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            await subscription.end()

    async def check(self) -> None:
        await self._publisher.check()

    async def close(self) -> None:
        await self._keeper.end()
        await asyncio.gather(*(each.end() for each in self._subscriptions))
        await asyncio.gather(self._publishing.close(), self._consuming.close())
