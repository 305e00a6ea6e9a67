"""What services declare on the broker: a public contract, the same on RabbitMQ 3.10 to 4.x.

Whoever announces on an exchange declares it, and nobody else may. Declaring again changes
nothing, and brings back what somebody has deleted.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiormq import Channel
from aiormq.exceptions import (
    AMQPChannelError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from heliograph.bus.arguments import queue_arguments
from heliograph.bus.protocol import Binding, Queue, Topology
from heliograph.bus.rabbitmq.connection import CALL_DEADLINE, Link, end_channel, within
from heliograph.errors import BusError, BusUnavailable

UNLIMITED = 2**31 - 1
"""A queue of its kind knows no greater limit, and from RabbitMQ 4.0 on the default is 20."""
_OTHERWISE = (
    ": stop what publishes, let the consumers empty what is a queue, delete it on the broker,"
    " then run `migrate` again"
)
_THEIRS = ": run `migrate` of the service that announces on it"


async def declare(link: Link, topology: Topology) -> None:
    """As `Bus.declare`."""
    async with _calls(link) as calls:
        for name in topology.exchanges:
            await _declare_exchange(calls, name)
        for queue in topology.queues:
            await _declare_queue(calls, queue)
        there = {*topology.exchanges, *await _look_for_others(calls, topology)}
        for queue in topology.queues:
            for binding in queue.bindings:
                if binding.exchange in there:
                    await _bind(calls, queue.name, binding)


async def verify(link: Link, topology: Topology) -> None:
    """Raise `BusError` naming the exchanges and queues that are missing."""
    dead = {queue.dead_exchange for queue in topology.queues}
    async with _calls(link) as calls:
        for name in (*topology.exchanges, *map(_unrouted, topology.exchanges), *sorted(dead)):
            await _look_for_exchange(calls, name)
        await _look_for_others(calls, topology)
        for queue in topology.queues:
            await _look_for_queue(calls, queue.name)
            await _look_for_queue(calls, queue.dead)


class _Missing(BusUnavailable):
    """Somebody deleted what others of ours will declare again."""

    state = "missing"


class _Calls:
    """Calls to the broker, of which one that is refused keeps no other from being made."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._missing: list[str] = []
        self._otherwise: list[str] = []
        self._refused: list[str] = []

    async def make(
        self, what: str, call: Callable[[Channel], Coroutine[Any, Any, object]], hint: str = ""
    ) -> bool:
        """Make a call about `what`; False if the broker refuses it, which is noted.

        `hint` says what to do when it is missing.
        """
        # With a refusal the broker closes the channel.
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._link.channel()
        try:
            await within(CALL_DEADLINE, call(self._channel))
        except ChannelNotFoundEntity:
            self._missing.append(f"{what} is missing{hint}")
        except ChannelPreconditionFailed as error:
            self._otherwise.append(f"{what} exists with other properties ({error})")
        except AMQPChannelError as error:
            self._refused.append(f"the broker refuses {what}: {error}")
        else:
            return True
        return False

    async def end(self) -> None:
        if self._channel is not None:
            await end_channel(self._channel)

    def raise_refusals(self) -> None:
        """Raise what was refused as one error: unavailable is what may come by itself."""
        told = "; ".join([*self._refused, *self._missing, *self._otherwise])
        if self._otherwise:
            raise BusError(told + _OTHERWISE)
        if self._refused:
            raise BusError(told)
        if self._missing:
            raise _Missing(told)


@asynccontextmanager
async def _calls(link: Link) -> AsyncIterator[_Calls]:
    calls = _Calls(link)
    try:
        yield calls
    finally:
        await calls.end()
    calls.raise_refusals()


def _unrouted(exchange: str) -> str:
    """Where an exchange sends what nobody has bound."""
    return f"{exchange}.unrouted"


async def _look_for_exchange(calls: _Calls, name: str, hint: str = "") -> bool:
    # Passive: nothing is created, and it needs no right to.
    return await calls.make(
        f"the exchange {name}", lambda channel: channel.exchange_declare(name, passive=True), hint
    )


async def _look_for_queue(calls: _Calls, name: str) -> None:
    await calls.make(f"the queue {name}", lambda channel: channel.queue_declare(name, passive=True))


async def _look_for_others(calls: _Calls, topology: Topology) -> set[str]:
    """Look for the exchanges of other services that queues are bound to; return who is there."""
    bound = {binding.exchange for queue in topology.queues for binding in queue.bindings}
    others = sorted(bound.difference(topology.exchanges))
    return {name for name in others if await _look_for_exchange(calls, name, _THEIRS)}


async def _declare_exchange(calls: _Calls, name: str) -> None:
    unrouted = _unrouted(name)
    await calls.make(
        f"the exchange {unrouted}",
        lambda channel: channel.exchange_declare(unrouted, exchange_type="fanout", durable=True),
    )
    await calls.make(
        f"the exchange {name}",
        lambda channel: channel.exchange_declare(
            name,
            exchange_type="topic",
            durable=True,
            arguments={"alternate-exchange": unrouted},
        ),
    )


async def _declare_queue(calls: _Calls, queue: Queue) -> None:
    # First the way of dead letters, so that none finds its end missing.
    exchange, dead = queue.dead_exchange, queue.dead
    await calls.make(
        f"the exchange {exchange}",
        lambda channel: channel.exchange_declare(exchange, exchange_type="direct", durable=True),
    )
    await calls.make(
        f"the queue {dead}",
        lambda channel: channel.queue_declare(
            dead,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED},
        ),
    )
    await _bind(calls, dead, Binding(exchange, dead))
    await calls.make(
        f"the queue {queue.name}",
        lambda channel: channel.queue_declare(
            queue.name, durable=True, arguments=queue_arguments(queue)
        ),
    )


async def _bind(calls: _Calls, queue: str, binding: Binding) -> None:
    await calls.make(
        f"the binding of {queue} to {binding.exchange}",
        lambda channel: channel.queue_bind(queue, binding.exchange, binding.pattern),
    )
