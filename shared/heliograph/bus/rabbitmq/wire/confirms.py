"""What the broker answers to messages that were sent together, on one channel.

aiormq's own publish takes a future, a lock and a write for each message, and a callback for
each answer; here a batch takes one of each. `docs/decisions/0002-one-write-a-batch.md` says
more.
"""

import asyncio
from collections import deque
from collections.abc import Sequence


class Batch:
    """What the broker has answered so far to messages that were sent together."""

    def __init__(self, first: int, ids: Sequence[str], settled: "asyncio.Future[None]") -> None:
        self.taken: set[str] = set()
        """Ids of the messages that the broker has confirmed."""
        self.settled = settled
        """Done when every message is answered; fails when the channel is lost before."""
        self.first = first
        """Delivery tag of the first message."""
        self._ids = ids
        self._before = 0
        """So many messages from the first on are answered."""
        self._beyond: set[int] = set()
        """Places of those behind them that were answered one by one."""

    @property
    def complete(self) -> bool:
        """True once the broker took or refused every message."""
        return self._before + len(self._beyond) == len(self._ids)

    def answer(self, tag: int, *, taken: bool) -> None:
        """Note the broker's word on one message, unless it has given one."""
        place = tag - self.first
        if self._before <= place < len(self._ids) and place not in self._beyond:
            self._beyond.add(place)
            self._note(self._ids[place : place + 1], taken=taken)

    def answer_up_to(self, tag: int, *, taken: bool) -> None:
        """Note the broker's word on this message and on all before that it has not answered."""
        before, end = self._before, min(tag - self.first + 1, len(self._ids))
        if end <= before:
            return
        ids = self._ids[before:end]
        if self._beyond:
            ids = [each for place, each in enumerate(ids, before) if place not in self._beyond]
            self._beyond = {place for place in self._beyond if place >= end}
        self._before = end
        self._note(ids, taken=taken)

    def _note(self, ids: Sequence[str], *, taken: bool) -> None:
        if taken:
            self.taken.update(ids)
        if self.complete and not self.settled.done():
            self.settled.set_result(None)


class Confirms:
    """The messages of one channel that the broker has not answered, by their delivery tags.

    AMQP counts what is published on a channel from 1; an answer names the count.
    """

    def __init__(self) -> None:
        self.unrouted = 0
        """How many messages came back because no queue is bound to them."""
        self._batches: deque[Batch] = deque()
        """Those of which not all is answered, and at times others between them."""
        self._next = 1

    @property
    def settled(self) -> bool:
        """True while no message waits for an answer."""
        return not self._batches

    def expect(self, ids: Sequence[str], settled: "asyncio.Future[None]") -> Batch:
        """Count messages that are sent next, in this order."""
        batch = Batch(self._next, ids, settled)
        self._batches.append(batch)
        self._next += len(ids)
        return batch

    def answer(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """Note an ack or a nack of this message; with `multiple`, of all before it too."""
        for batch in self._batches:
            if batch.first > tag:
                break
            if multiple:
                batch.answer_up_to(tag, taken=taken)
            else:
                batch.answer(tag, taken=taken)
        while self._batches and self._batches[0].complete:
            self._batches.popleft()
