"""A batch of messages on its way: one write, many confirms.

aiormq's own publish takes a future, a lock and a write for each message; here a batch
takes one of each. `docs/decisions/0002-one-write-a-batch.md` lists what of aiormq this
relies on, and `tests/integration/shared/bus/test_aiormq.py` fails when that changes.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from aiormq import Channel
from aiormq.abc import ChannelFrame, DeliveredMessage

from shared.bus import Message
from shared.bus.rabbitmq.frames import publish_frames


class Batch:
    """What the broker has answered so far to messages that were sent together."""

    def __init__(self, size: int, settled: "asyncio.Future[None]") -> None:
        self.taken: set[str] = set()
        """Ids of the messages that the broker has confirmed."""
        self.unrouted = 0
        """How many of them found no queue bound to them."""
        self.settled = settled
        """Done when every message is answered; fails when the channel is lost before."""
        self._size = size
        self._unanswered = size

    @property
    def answered(self) -> bool:
        """True once the broker took or refused at least one message."""
        return self._unanswered < self._size

    def answer(self, id: str, *, taken: bool) -> None:
        """Note the broker's word on one message."""
        if taken:
            self.taken.add(id)
        self._unanswered -= 1
        if not self._unanswered and not self.settled.done():
            self.settled.set_result(None)


async def send(channel: Channel, messages: Sequence[Message]) -> Batch:
    """Write all messages to the channel at once; the batch tells what becomes of them."""
    payload = b"".join(
        publish_frames(message, channel.number, channel.max_content_size) for message in messages
    )
    async with channel.lock:
        await channel.write_queue.put(ChannelFrame(payload, should_close=False))
        # Nothing awaits from here on: no answer can come before it is expected, and a caller
        # cancelled above has sent nothing and used no delivery tag.
        batch = Batch(len(messages), channel.create_future())
        for message in messages:
            channel.delivery_tag += 1
            tag = channel.delivery_tag
            channel.confirmations[tag] = cast(
                "asyncio.Future[None]", _Confirmation(channel, tag, message.id, batch)
            )
            channel.message_id_delivery_tag[message.id] = tag
    return batch


class _Confirmation:
    """Stands where aiormq keeps a future for each message; has what aiormq asks of it."""

    __slots__ = ("_batch", "_channel", "_id", "_tag")

    def __init__(self, channel: Channel, tag: int, id: str, batch: Batch) -> None:
        self._channel = channel
        self._tag = tag
        self._id = id
        self._batch = batch

    def done(self) -> bool:
        return False

    def set_result(self, answer: object) -> None:
        # A returned message found no queue, not even behind the alternate exchange.
        if isinstance(answer, DeliveredMessage):
            self._batch.unrouted += 1
        self._settle(taken=True)

    def set_exception(self, refusal: BaseException) -> None:
        self._settle(taken=False)

    def _settle(self, *, taken: bool) -> None:
        if self._channel.message_id_delivery_tag.get(self._id) == self._tag:
            del self._channel.message_id_delivery_tag[self._id]
        self._batch.answer(self._id, taken=taken)
