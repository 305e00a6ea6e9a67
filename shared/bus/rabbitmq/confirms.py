"""What the broker answers to messages that were sent together, on one channel.

aiormq's own publish takes a future, a lock and a write for each message, and a callback for
each answer; here a batch takes one of each. `docs/decisions/0002-one-write-a-batch.md` says
more.
"""

import asyncio
from collections.abc import Sequence


class Batch:
    """What the broker has answered so far to messages that were sent together."""

    def __init__(self, size: int, settled: "asyncio.Future[None]") -> None:
        self.taken: set[str] = set()
        """Ids of the messages that the broker has confirmed."""
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


class Confirms:
    """The messages of one channel that the broker has not answered, by their delivery tags.

    AMQP counts what is published on a channel from 1; an answer names the count.
    """

    def __init__(self) -> None:
        self.unrouted = 0
        """How many messages came back because no queue is bound to them."""
        self._unanswered: dict[int, tuple[str, Batch]] = {}
        self._sent = 0
        self._watermark = 0
        """All up to this one are answered."""

    def expect(self, ids: Sequence[str], settled: "asyncio.Future[None]") -> Batch:
        """Count messages that are sent next, in this order."""
        batch = Batch(len(ids), settled)
        for tag, message_id in enumerate(ids, self._sent + 1):
            self._unanswered[tag] = message_id, batch
        self._sent += len(ids)
        return batch

    def answer(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """Note an ack or a nack of this message; with `multiple`, of all before it too."""
        first = tag
        if multiple:
            first, self._watermark = self._watermark + 1, tag
        for each in range(first, tag + 1):
            if waiting := self._unanswered.pop(each, None):
                message_id, batch = waiting
                batch.answer(message_id, taken=taken)
