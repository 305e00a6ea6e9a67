"""The bus: how events get from the relay to every receiver's queue.

One protocol, two buses. `heliograph.bus.memory` carries encoded bytes between services
that share one process; `heliograph.bus.rabbitmq.bus` carries them through a broker. Both pass
the same contract suite, `tests/integration/heliograph/bus/`.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

LARGEST_BODY = 2 * 1024 * 1024
"""Most bytes of an event's body, which is one whole JSON text in memory wherever it goes."""
KEPT = 64 * 1024
"""So many bytes are kept of a body, or of headers, that cannot be those of an event."""


class Message(NamedTuple):
    """An event on its way out: CloudEvents attributes as headers, JSON as the body."""

    id: str
    exchange: str
    routing_key: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str | None:
        """As `ce-type`, for readers that choose what to make of a message by its property."""
        return self.headers.get("ce-type")

    @property
    def timestamp(self) -> int | None:
        """The event's time, `ce-time`, in whole seconds since 1970."""
        time = self.headers.get("ce-time")
        return None if time is None else _seconds(time[:19])

    @property
    def app_id(self) -> str:
        """The service that announces it: the exchange is named after that."""
        return self.exchange.partition(".")[0]


@lru_cache(maxsize=128)  # many events are of one second
def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(f"{time}Z").timestamp())


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it arrived; nothing of it has been checked."""

    queue: str
    routing_key: str
    headers: Mapping[str, object]
    body: bytes
    """Whole up to `LARGEST_BODY`; of a larger one the first `KEPT` bytes may be all there is."""
    message_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    body_size: int | None = None
    """Bytes of the whole body, unless `body` is that."""
    redelivered: bool = False
    user: str | None = None
    """The broker's user who published it, as far as the publisher said: the broker lets nobody
    name another."""
    type: str | None = None
    timestamp: int | None = None
    app_id: str | None = None
    """As `Message` has these three, if it is one of ours."""
    tag: int = 0
    """Identifies the delivery to the bus that made it, for `Subscription.ack`."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of `exchange` whose routing key matches `pattern` (topic syntax)."""

    exchange: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A receiver's durable queue and what it is bound to."""

    name: str
    bindings: tuple[Binding, ...]

    @property
    def dead(self) -> str:
        """Name of the queue to which the broker moves what it gave up delivering."""
        return f"{self.name}.dead"

    @property
    def dead_exchange(self) -> str:
        """Name of the exchange by which they go there: one a service, for nobody else."""
        return f"{self.name.partition('.')[0]}.dead"


@dataclass(frozen=True, slots=True)
class Topology:
    """What a service needs on the broker: exchanges it announces on, queues it listens to.

    An exchange that its queues are bound to and that is not among its own is another service's.
    """

    exchanges: tuple[str, ...] = ()
    queues: tuple[Queue, ...] = field(default=())


class Subscription(Protocol):
    """A consumer of one queue. Iterating waits for at least one delivery, in queue order."""

    @property
    def ready(self) -> bool:
        """True while the broker delivers to this consumer or to one that stands in for it."""

    def __aiter__(self) -> AsyncIterator[Sequence[Delivery]]: ...

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        """Tell the bus that these are safe with us; those of a lost connection are ignored."""


class Publisher(Protocol):
    """What a relay needs of the bus."""

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        """Send in order, many in flight; return the ids that the bus has taken over.

        Each of the others was turned down by some queue: it may have reached others, and may be
        taken another time. Raises `BusUnavailable` if not every message was answered, and
        `MessageRefused` if the bus will not have one of them; both know what was taken before.
        Ids within one call are distinct.
        """


class Bus(Publisher, Protocol):
    """Carries messages at least once, each queue in order."""

    @property
    def user(self) -> str | None:
        """As whom our messages arrive, as `Delivery.user`; None where there are no users."""

    @property
    def unrouted(self) -> int:
        """How many of the messages taken over so far found no queue bound to them."""

    async def declare(self, topology: Topology) -> None:
        """Create what is missing, all that can be.

        Raises `BusError` if something exists otherwise or may not be created, `BusUnavailable` if
        the broker or only an exchange of another service is missing.
        """

    def expect(self, topology: Topology) -> None:
        """From now on until the bus is closed, create again whatever of this goes missing."""

    async def verify(self) -> None:
        """Raise `BusError` naming what is missing of what we expect, or exists otherwise.

        Bindings cannot be looked at: the broker shows them to operators only.
        """

    def subscribe(
        self, queue: str, *, prefetch: int = 200
    ) -> AbstractAsyncContextManager[Subscription]:
        """Consume the queue until the context ends; survives reconnects and a lost consumer."""

    async def check(self) -> None:
        """Raise `BusUnavailable` unless a publish would be taken right now."""

    async def close(self) -> None:
        """End cleanly within 10 s; harmless when called twice."""
