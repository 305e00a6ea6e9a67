"""Publishing with confirms, over one channel for all callers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

from aiormq import Channel
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelNotFoundEntity

from heliograph.bus.protocol import Message
from heliograph.bus.rabbitmq.connection import Link, end_channel, within
from heliograph.bus.rabbitmq.wire.confirms import Batch, Confirms
from heliograph.bus.rabbitmq.wire.frames import publish_frames
from heliograph.crash import crash_point
from heliograph.errors import BusUnavailable

CONFIRM_DEADLINE = 10.0


class RabbitPublisher:
    """Sends batches; `restore` is called when the broker does not know an exchange."""

    def __init__(
        self,
        link: Link,
        restore: Callable[[], Awaitable[None]],
        *,
        deadline: float = CONFIRM_DEADLINE,
    ) -> None:
        self._link = link
        self._restore = restore
        self._deadline = deadline
        self._channel: Channel | None = None
        self._confirms = Confirms()
        self._opening = asyncio.Lock()
        self._unrouted_before = 0

    @property
    def unrouted(self) -> int:
        """As `Bus.unrouted`."""
        return self._unrouted_before + self._confirms.unrouted

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        """As `Bus.publish`."""
        if not messages:
            return frozenset()
        channel, confirms = await self._open_channel()
        batch = await within(self._deadline, send(channel, confirms, messages))
        crash_point("relay.after_write")
        await asyncio.wait({batch.settled}, timeout=self._deadline)
        if not batch.settled.done():
            await self._doubt(channel)
        elif isinstance(batch.settled.exception(), ChannelNotFoundEntity):
            await self._restore()
        if not batch.answered:
            raise BusUnavailable(await self._reason(batch))
        return frozenset(batch.taken)

    async def check(self) -> None:
        """As `Bus.check`: one round trip beside what is in flight."""
        await self._open_channel()
        await end_channel(await self._link.channel())

    async def _open_channel(self) -> tuple[Channel, Confirms]:
        async with self._opening:
            if await self._link.blocked():
                raise BusUnavailable("the broker blocks publishers: its memory or disk alarm is on")
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.channel()
                self._unrouted_before, self._confirms = self.unrouted, Confirms()
                self._link.take_confirms(self._channel, self._confirms)
            return self._channel, self._confirms

    async def _doubt(self, channel: Channel) -> None:
        """Drop a connection that owes us answers, unless it is blocked.

        The broker reads a blocked connection to its end once the alarm is over, so a new
        one for each attempt would only pile up copies.
        """
        if not await self._link.blocked():
            await self._link.drop(channel)

    async def _reason(self, batch: Batch) -> str:
        if await self._link.blocked():
            return "the broker blocks publishers: its memory or disk alarm is on"
        if not batch.settled.done():
            return f"the broker confirmed nothing within {self._deadline:g} s"
        error = batch.settled.exception()
        if isinstance(error, ChannelNotFoundEntity):
            return f"{error}; `migrate` declares what a service announces on"
        return f"the connection to the broker was lost before it confirmed: {error!r}"


async def send(channel: Channel, confirms: Confirms, messages: Sequence[Message]) -> Batch:
    """Write all messages to the channel at once; the batch tells what becomes of them."""
    number, max_body = channel.number, channel.max_content_size
    payload = b"".join(
        chain.from_iterable(publish_frames(message, number, max_body) for message in messages)
    )
    async with channel.lock:
        await channel.write_queue.put(ChannelFrame(payload, should_close=False))
        # Nothing awaits from here on: no answer can come before it is expected, and a caller
        # cancelled above has sent nothing and used no delivery tag.
        return confirms.expect([message.id for message in messages], channel.create_future())
