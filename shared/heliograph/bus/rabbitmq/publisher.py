"""Publishing with confirms, over a channel for each batch that is under way.

The broker closes a channel for one message that it will not have. Nothing of another caller may
be on it, or that one's messages would be blamed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain

from aiormq import Channel
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelAccessRefused, ChannelClosed, ChannelNotFoundEntity

from heliograph.bus.protocol import Message
from heliograph.bus.rabbitmq.connection import Link, end_channel, within
from heliograph.bus.rabbitmq.wire.confirms import Batch, Confirms
from heliograph.bus.rabbitmq.wire.frames import publish_frames
from heliograph.crash import crash_point
from heliograph.errors import BusError, BusUnavailable, MessageRefused

CONFIRM_DEADLINE = 10.0

_OF_ALL_MESSAGES = (ChannelNotFoundEntity, ChannelAccessRefused)
"""With these the broker closes a channel whatever is published there."""


class RabbitPublisher:
    """Sends batches; `restore` is called when the broker does not know an exchange."""

    def __init__(
        self,
        link: Link,
        restore: Callable[[], None],
        *,
        deadline: float = CONFIRM_DEADLINE,
    ) -> None:
        self._link = link
        self._restore = restore
        self._deadline = deadline
        self._free: list[tuple[Channel, Confirms]] = []
        """Open channels on which nothing is under way."""
        self.unrouted = 0
        """As `Bus.unrouted`."""

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        """As `Bus.publish`."""
        if not messages:
            return frozenset()
        async with self._own_channel() as (channel, confirms):
            batch = await within(self._deadline, send(channel, confirms, messages, self._link.user))
            crash_point("relay.after_write")
            await asyncio.wait({batch.settled}, timeout=self._deadline)
            if batch.complete:
                return frozenset(batch.taken)
            if not batch.settled.done():
                await self._doubt(channel)
            elif isinstance(batch.settled.exception(), ChannelNotFoundEntity):
                self._restore()
            raise await self._failure(batch)

    async def check(self) -> None:
        """As `Bus.check`: one round trip beside what is in flight."""
        await self._refuse_blocked()
        await end_channel(await self._link.channel())

    @asynccontextmanager
    async def _own_channel(self) -> AsyncIterator[tuple[Channel, Confirms]]:
        await self._refuse_blocked()
        channel, confirms = await self._open_channel()
        try:
            yield channel, confirms
        finally:
            self.unrouted += confirms.unrouted
            confirms.unrouted = 0
            # One on which a batch was given up is not used again; it ends with its connection.
            if confirms.settled and not channel.is_closed:
                self._free.append((channel, confirms))

    async def _open_channel(self) -> tuple[Channel, Confirms]:
        while self._free:
            channel, confirms = self._free.pop()
            if not channel.is_closed:
                return channel, confirms
        channel, confirms = await self._link.channel(), Confirms()
        self._link.take_confirms(channel, confirms)
        return channel, confirms

    async def _refuse_blocked(self) -> None:
        if await self._link.blocked():
            raise BusUnavailable("the broker blocks publishers: its memory or disk alarm is on")

    async def _doubt(self, channel: Channel) -> None:
        """Drop a connection that owes us answers, unless it is blocked.

        The broker reads a blocked connection to its end once the alarm is over, so a new
        one for each attempt would only pile up copies.
        """
        if not await self._link.blocked():
            await self._link.drop(channel)

    async def _failure(self, batch: Batch) -> BusError:
        """The error that tells why not all of the batch was answered."""
        if await self._link.blocked():
            reason = "the broker blocks publishers: its memory or disk alarm is on"
        elif not batch.settled.done():
            reason = f"the broker did not confirm everything within {self._deadline:g} s"
        else:
            error = batch.settled.exception()
            if isinstance(error, ChannelNotFoundEntity):
                reason = f"{error}; `migrate` declares what a service announces on"
            elif isinstance(error, ChannelClosed) and not isinstance(error, _OF_ALL_MESSAGES):
                return MessageRefused(str(error), batch.taken)
            else:
                reason = f"the connection to the broker was lost before it confirmed: {error!r}"
        return BusUnavailable(reason, batch.taken)


async def send(
    channel: Channel, confirms: Confirms, messages: Sequence[Message], user: str
) -> Batch:
    """Write all messages of a user to the channel at once; the batch tells what becomes of them.

    Raises `MessageRefused`, and sends none, if AMQP has no room for a part of one.
    """
    number, max_body = channel.number, channel.max_content_size
    try:
        payload = b"".join(
            chain.from_iterable(
                publish_frames(message, number, max_body, user) for message in messages
            )
        )
    except ValueError as error:
        raise MessageRefused(f"it cannot be written as AMQP: {error}") from error
    async with channel.lock:
        await channel.write_queue.put(ChannelFrame(payload, should_close=False))
        # Nothing awaits from here on: no answer can come before it is expected, and a caller
        # cancelled above has sent nothing and used no delivery tag.
        return confirms.expect([message.id for message in messages], channel.create_future())
