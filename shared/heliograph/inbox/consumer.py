"""Consumers: they move deliveries from the bus into the inbox, and do nothing else."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from pydantic_core import from_json

from heliograph.bus import Bus, Delivery
from heliograph.crash import crash_point
from heliograph.errors import DatabaseUnavailable
from heliograph.events import LaterVersion
from heliograph.inbox.inbox import Inbox
from heliograph.inbox.reading import ANYBODY, Entry, entry, why_dead
from heliograph.logging import of_event, of_events
from heliograph.signals import QueuedReceiver
from heliograph.waiting import Trouble, pause_after, stopped_within, unless_stopped

BATCH = 100
"""Most deliveries that are accepted at once: half of what the bus sends ahead. The other half
arrives meanwhile."""

log = structlog.get_logger(__name__)


class Consumer:
    """Accepts what arrives for the service's receivers.

    `announcers` names by exchange the broker's user who alone announces there; what another user
    published is parked.
    """

    name = "consumer"
    last_to_stop = True
    """On the memory bus a relay waits for it to accept what is published."""

    def __init__(
        self,
        service: str,
        receivers: Sequence[QueuedReceiver],
        inbox: Inbox,
        bus: Bus,
        announcers: Mapping[str, str] = ANYBODY,
    ) -> None:
        self._service = service
        self._receivers = receivers
        self._inbox = inbox
        self._bus = bus
        self._announcers = announcers
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
                tasks.create_task(self._consume(receiver, queue.name, stopping))
                tasks.create_task(self._consume(receiver, queue.dead, stopping, of=queue.name))
            await stopping.wait()

    async def _consume(
        self,
        receiver: QueuedReceiver,
        queue: str,
        stopping: asyncio.Event,
        *,
        of: str | None = None,
    ) -> None:
        """Accept what arrives in a queue; `of` is the queue whose dead letters it holds, if any."""
        try:
            async with self._bus.subscribe(queue, prefetch=2 * BATCH) as subscription:
                self._subscribed[queue] = subscription
                arrivals = aiter(subscription)
                # Where something always arrives, waiting for it is never broken off.
                while not stopping.is_set() and (
                    arrived := await unless_stopped(stopping, anext(arrivals))
                ):
                    crash_point("consumer.after_receipt")
                    for start in range(0, len(arrived), BATCH):
                        batch = arrived[start : start + BATCH]
                        entries = self._read(receiver, batch, of)
                        if not await self._accept(receiver, entries, stopping):
                            return
                        crash_point("consumer.after_commit")
                        await subscription.ack(batch)
        finally:
            self._subscribed.pop(queue, None)

    def _read(
        self, receiver: QueuedReceiver, batch: Sequence[Delivery], of: str | None
    ) -> list[Entry]:
        """Read a batch, but for copies in later versions than ours of what comes in ours too."""
        entries = []
        for each in batch:
            gave_up = None if of is None else why_dead(each, of)
            try:
                entries.append(entry(receiver, each, gave_up, self._announcers))
            except LaterVersion as error:
                log.debug("left a copy", receiver=receiver.name, reason=str(error))
        return entries

    async def _accept(
        self, receiver: QueuedReceiver, entries: Sequence[Entry], stopping: asyncio.Event
    ) -> bool:
        """Hold the batch until the database takes it; False if we were stopped before."""
        if not entries:
            return True
        about = {"receiver": receiver.name, **_named(entries)}
        trouble = Trouble("cannot accept, holding the batch", "accepting again")
        failures = 0
        while True:
            try:
                await self._inbox.accept(receiver, entries)
            except DatabaseUnavailable as error:
                trouble.begin(str(error), **about)
                if await stopped_within(stopping, pause_after(failures)):
                    return False
                failures += 1
            else:
                break
        trouble.end(receiver=receiver.name)
        log.info("accepted", **about)
        if parked := [each for each in entries if each.reason is not None]:
            log.warning("parked", receiver=receiver.name, reason=parked[0].reason, **_named(parked))
        return True


def _named(entries: Sequence[Entry]) -> dict[str, object]:
    if len(entries) > 1:
        return of_events([each.event_id for each in entries])
    [one] = entries
    return of_event(one.event_id, one.subject, from_json(one.headers).get("traceparent"))
