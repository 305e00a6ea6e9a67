"""A consumer of one queue that comes back after every loss."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from heliograph.bus.protocol import Delivery
from heliograph.bus.rabbitmq.connection import (
    CALL_DEADLINE,
    Link,
    end_channel,
    within,
)
from heliograph.bus.rabbitmq.wire.sieve import Arrived
from heliograph.errors import BusError, BusUnavailable
from heliograph.waiting import pause_after

log = logging.getLogger(__name__)


class RabbitSubscription:
    """Deliveries of one queue, in batches of what has arrived.

    A delivery's tag is the channel's own plus `_past`, the last tag of all channels
    before, so tags only ascend and those of a lost channel are known.
    """

    def __init__(self, link: Link, queue: str, prefetch: int, restore: Callable[[], None]) -> None:
        self._link = link
        self._queue = queue
        self._prefetch = prefetch
        self._restore = restore
        self._channel: Channel | None = None
        self._consuming = False
        self._arrived: list[Delivery] = []
        self._unacked: dict[int, None] = {}
        self._past = 0
        self._last = 0
        self._change = asyncio.Event()
        self._complaint = ""
        self._task = asyncio.create_task(self._keep_consuming())
        self._task.add_done_callback(lambda _: self._change.set())

    @property
    def ready(self) -> bool:
        return self._consuming

    async def __aiter__(self) -> AsyncIterator[Sequence[Delivery]]:
        while not self._task.done():
            if self._arrived:
                batch, self._arrived = self._arrived, []
                yield batch
            else:
                self._change.clear()
                await self._change.wait()
        if not self._task.cancelled():
            self._task.result()

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        channel = self._channel
        acked = {each.tag for each in deliveries} & self._unacked.keys()
        if channel is None or not acked:
            return
        watermark = 0
        for tag in self._unacked:
            if tag not in acked:
                break
            watermark = tag
        beyond = sorted(tag for tag in acked if tag > watermark)
        for tag in acked:
            del self._unacked[tag]
        past = self._past
        try:
            if watermark:
                await _ack(channel, watermark - past, multiple=True)
            for tag in beyond:
                await _ack(channel, tag - past, multiple=False)
        except (BusUnavailable, AMQPError):
            pass  # the connection is lost: the broker delivers them again

    async def end(self) -> None:
        """Stop consuming; the broker gives what was not acked to the next consumer."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _keep_consuming(self) -> None:
        failures = 0
        while True:
            try:
                lost = await self._consume()
                failures = 0
                await lost.wait()
                self._complain("the broker ended the consumer or the connection was lost")
                # The queue may be gone, or another's by now.
                self._restore()
            except ChannelNotFoundEntity:
                self._complain("the queue is missing; `migrate` declares it")
                self._restore()
            except (BusError, AMQPError) as error:
                self._complain(str(error) or repr(error))
            finally:
                await self._let_go()
            await asyncio.sleep(pause_after(failures))
            failures += 1

    async def _consume(self) -> asyncio.Event:
        """Begin to consume; the event is set when that is over."""
        lost = asyncio.Event()
        channel = self._channel = await self._link.channel()

        def arrived(delivery: Arrived) -> None:
            if channel is self._channel:
                self._arrive(delivery)

        self._link.take_deliveries(channel, arrived)
        channel.on_consumer_cancel_callbacks.add(lambda _: lost.set())
        channel.closing.add_done_callback(lambda _: lost.set())
        await within(CALL_DEADLINE, channel.basic_qos(prefetch_count=self._prefetch))
        await within(CALL_DEADLINE, channel.basic_consume(self._queue, _taken_elsewhere))
        self._consuming = True
        if self._complaint:
            self._complaint = ""
            log.info("consuming %s again", self._queue)
        return lost

    def _arrive(self, arrived: Arrived) -> None:
        self._last = self._past + arrived.tag
        self._unacked[self._last] = None
        self._arrived.append(
            Delivery(
                queue=self._queue,
                routing_key=arrived.routing_key,
                headers=arrived.headers,
                body=arrived.body,
                message_id=arrived.message_id,
                content_type=arrived.content_type,
                content_encoding=arrived.content_encoding,
                body_size=arrived.size if arrived.size > len(arrived.body) else None,
                redelivered=arrived.redelivered,
                user=arrived.user_id,
                type=arrived.type,
                timestamp=arrived.timestamp,
                app_id=arrived.app_id,
                tag=self._last,
            )
        )
        self._change.set()

    async def _let_go(self) -> None:
        channel, self._channel = self._channel, None
        self._consuming = False
        self._arrived.clear()
        self._unacked.clear()
        self._past = self._last
        if channel is None or channel.is_closed:
            return
        # The consumer goes with it. Cancelled before, the next consumer would be given what is
        # newer while the broker still waits for us to ack.
        await end_channel(channel)

    def _complain(self, reason: str) -> None:
        """Log a reason once, however often it comes up before we consume again."""
        if reason != self._complaint:
            self._complaint = reason
            log.warning("not consuming %s: %s", self._queue, reason)


async def _taken_elsewhere(_message: DeliveredMessage) -> None:
    """Stand where aiormq wants a callback: `Link.take_deliveries` takes them before it."""


async def _ack(channel: Channel, tag: int, *, multiple: bool) -> None:
    await within(CALL_DEADLINE, channel.basic_ack(tag, multiple=multiple, wait=False))
