"""Consumers: they move deliveries from the bus into the inbox, and do nothing else."""

import asyncio
from collections.abc import Sequence

import structlog

from shared.bus import Bus, Delivery
from shared.crash import crash_point
from shared.errors import DatabaseUnavailable
from shared.inbox import Inbox
from shared.remote import RemoteReceiver
from shared.stopping import pause_after, stopped_within

log = structlog.get_logger(__name__)


class Consumer:
    """Accepts what arrives for the service's receivers."""

    name = "consumer"

    def __init__(
        self, service: str, receivers: Sequence[RemoteReceiver], inbox: Inbox, bus: Bus
    ) -> None:
        self._service = service
        self._receivers = receivers
        self._inbox = inbox
        self._bus = bus
        self._subscribed: dict[str, object] = {}

    @property
    def trouble(self) -> str | None:
        """Why some queue is not consumed right now; None if all are."""
        for receiver in self._receivers:
            queue = receiver.queue(self._service).name
            subscription = self._subscribed.get(queue)
            if not getattr(subscription, "ready", False):
                return f"the queue {queue} is not consumed"
        return None

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for receiver in self._receivers:
                queue = receiver.queue(self._service)
                tasks.create_task(self._consume(receiver, queue.name, None, stopping))
                gave_up = "the broker gave up: delivered again and again, never accepted"
                tasks.create_task(self._consume(receiver, queue.dead, gave_up, stopping))

    async def _consume(
        self,
        receiver: RemoteReceiver,
        queue: str,
        gave_up: str | None,
        stopping: asyncio.Event,
    ) -> None:
        ended = asyncio.create_task(stopping.wait())
        try:
            async with self._bus.subscribe(queue) as subscription:
                self._subscribed[queue] = subscription
                batches = aiter(subscription)
                while True:
                    arrival = asyncio.ensure_future(anext(batches))
                    try:
                        await asyncio.wait({arrival, ended}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        arrival.cancel()
                    await asyncio.wait({arrival})
                    if arrival.cancelled():
                        return
                    batch = arrival.result()
                    crash_point("consumer.after_receipt")
                    if not await self._accept(receiver, batch, gave_up, stopping):
                        return
                    crash_point("consumer.after_commit")
                    await subscription.ack(batch)
        finally:
            self._subscribed.pop(queue, None)
            ended.cancel()

    async def _accept(
        self,
        receiver: RemoteReceiver,
        batch: Sequence[Delivery],
        gave_up: str | None,
        stopping: asyncio.Event,
    ) -> bool:
        """Hold the batch until the database takes it; False if we were stopped before."""
        failures = 0
        while True:
            try:
                await self._inbox.accept(receiver, batch, gave_up)
            except DatabaseUnavailable as error:
                if failures == 0:
                    log.warning("cannot accept, holding the batch", reason=str(error))
                if await stopped_within(stopping, pause_after(failures)):
                    return False
                failures += 1
            else:
                return True
