"""The bus inside one process: encoded bytes from the relay to every subscriber.

Nothing here outlives the process, so nothing is confirmed before it is safe elsewhere:
a publish returns once every bound queue's subscriber has acked its messages. A queue holds
a message only while its publisher waits; what was not acked in time is withdrawn, and
whoever published keeps it and publishes it again.

Unlike the broker it never moves a message to a `.dead` queue; that queue exists and
stays empty. And it lets anybody bind to an exchange that is not there yet.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from heliograph.bus.protocol import Delivery, Message, Topology
from heliograph.errors import BusUnavailable, MessageRefused

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Of a body; what RabbitMQ 4 takes unless it is told otherwise."""


class MemoryBus:
    """Carries messages between services that share this process and its event loop.

    `deadline` is how many seconds a publish waits for every subscriber's ack.
    """

    def __init__(self, *, deadline: float = 5.0) -> None:
        self._deadline = deadline
        self._exchanges: dict[str, set[tuple[str, str]]] = {}
        self._queues: dict[str, _Queue] = {}
        self._waiting: set[_Letter] = set()
        self._unrouted = 0
        self._closed = False

    @property
    def user(self) -> None:
        """Nobody: all of one process may publish."""

    @property
    def unrouted(self) -> int:
        return self._unrouted

    async def declare(self, topology: Topology) -> None:
        for name in topology.exchanges:
            self._exchanges.setdefault(name, set())
        for queue in topology.queues:
            self._queue(queue.name).declared = True
            self._queue(queue.dead).declared = True
            for binding in queue.bindings:
                bound = self._exchanges.setdefault(binding.exchange, set())
                bound.add((binding.pattern, queue.name))

    def expect(self, topology: Topology) -> None:
        """Nothing that was declared here goes missing."""

    async def verify(self) -> None:
        await self.check()

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        await self.check()
        if missing := {each.exchange for each in messages} - self._exchanges.keys():
            raise BusUnavailable(f"nobody has declared the exchange {min(missing)}")
        refused = next((each for each in messages if len(each.body) > MAX_MESSAGE_BYTES), None)
        # As on the broker: what stands before it has arrived.
        sent = messages if refused is None else messages[: messages.index(refused)]
        letters = [self._route(message) for message in sent]
        self._waiting.update(letters)
        try:
            async with asyncio.timeout(self._deadline):
                for letter in letters:
                    await letter.settled.wait()
        except TimeoutError:
            pass  # those that were not accepted still name queues
        finally:
            self._waiting.difference_update(letters)
            for letter in letters:
                letter.settled.set()
        taken = frozenset(letter.message.id for letter in letters if not letter.queues)
        if waiting := {queue for letter in letters for queue in letter.queues}:
            first = min(waiting)
            raise BusUnavailable(f"the queue {first} did not accept everything in time", taken)
        if refused is not None:
            raise MessageRefused(
                f"message size {len(refused.body)} is larger than {MAX_MESSAGE_BYTES}", taken
            )
        return taken

    @asynccontextmanager
    async def subscribe(
        self, queue: str, *, prefetch: int = 200
    ) -> AsyncIterator["MemorySubscription"]:
        await self.check()
        subscription = MemorySubscription(self._queue(queue), prefetch)
        try:
            yield subscription
        finally:
            subscription.end()

    async def check(self) -> None:
        if self._closed:
            raise BusUnavailable("the bus is closed")

    async def close(self) -> None:
        self._closed = True
        for letter in self._waiting:
            letter.settled.set()
        for queue in self._queues.values():
            for subscription in [*queue.consumers]:
                subscription.end()

    def _queue(self, name: str) -> "_Queue":
        if name not in self._queues:
            self._queues[name] = _Queue(name)
        return self._queues[name]

    def _route(self, message: Message) -> "_Letter":
        letter = _Letter(
            message,
            {
                queue
                for pattern, queue in self._exchanges[message.exchange]
                if topic_matches(pattern, message.routing_key)
            },
        )
        if not letter.queues:
            self._unrouted += 1
            letter.settled.set()
        for name in letter.queues:
            self._queues[name].put(letter)
        return letter


class MemorySubscription:
    """A consumer of one queue; the first of several is given everything, the others wait."""

    def __init__(self, queue: "_Queue", prefetch: int) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._held: dict[int, _Letter] = {}
        queue.consumers.append(self)

    @property
    def ready(self) -> bool:
        return self._queue.declared and self in self._queue.consumers

    async def __aiter__(self) -> AsyncIterator[Sequence[Delivery]]:
        while self in self._queue.consumers:
            if batch := self._take():
                yield batch
            else:
                await self._queue.change()

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        for delivery in deliveries:
            letter = self._held.pop(delivery.tag, None)
            if letter is not None:
                letter.accepted(self._queue.name)
        self._queue.wake()

    def end(self) -> None:
        """Give back what was not acked, ahead of what was never delivered."""
        if self in self._queue.consumers:
            self._queue.consumers.remove(self)
            self._queue.give_back(self._held.values())
            self._held.clear()

    def _take(self) -> list[Delivery]:
        batch: list[Delivery] = []
        if self._queue.consumers[0] is not self:
            return batch
        while len(self._held) < self._prefetch and (found := self._queue.take()) is not None:
            tag, letter, redelivered = found
            self._held[tag] = letter
            batch.append(
                Delivery(
                    queue=self._queue.name,
                    routing_key=letter.message.routing_key,
                    headers=dict(letter.message.headers),
                    body=letter.message.body,
                    message_id=letter.message.id,
                    content_type="application/json",
                    redelivered=redelivered,
                    type=letter.message.type,
                    timestamp=letter.message.timestamp,
                    app_id=letter.message.app_id,
                    tag=tag,
                )
            )
        return batch


@dataclass(slots=True, eq=False)
class _Letter:
    """A message on its way to `queues`, those that have not accepted it yet."""

    message: Message
    queues: set[str]
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when every queue has accepted it, or its publisher no longer waits."""

    def accepted(self, queue: str) -> None:
        self.queues.discard(queue)
        if not self.queues:
            self.settled.set()


class _Queue:
    """Letters in the order of their arrival, and who consumes them, the active one first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.declared = False
        self.consumers: list[MemorySubscription] = []
        self._letters: deque[tuple[_Letter, bool]] = deque()
        self._last_tag = 0
        self._changed = asyncio.Event()

    def put(self, letter: _Letter) -> None:
        self._letters.append((letter, False))
        self.wake()

    def take(self) -> tuple[int, _Letter, bool] | None:
        """Remove the first letter; return its delivery tag, it, and if it was given back."""
        while self._letters:
            letter, redelivered = self._letters.popleft()
            if not letter.settled.is_set():
                self._last_tag += 1
                return self._last_tag, letter, redelivered
        return None

    def give_back(self, letters: Collection[_Letter]) -> None:
        self._letters.extendleft((letter, True) for letter in reversed([*letters]))
        self.wake()

    def wake(self) -> None:
        self._changed.set()

    async def change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, routing_key: str) -> bool:
    """Compare as a topic exchange does: `*` is exactly one word, `#` any number of them."""
    return _words_match(pattern.split("."), routing_key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    first, *rest = pattern
    if first == "#":
        return any(_words_match(rest, words[count:]) for count in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and _words_match(rest, words[1:])
