"""One named connection to the broker, opened when it is needed.

Every call to the broker gets a deadline here: the client library sets none, and a broker
that is down, blocked or frozen answers nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

from aiormq import Channel, Connection
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPChannelError, AMQPError
from pamqp.exceptions import PAMQPException
from yarl import URL

from heliograph.bus.rabbitmq.wire.confirms import Confirms
from heliograph.bus.rabbitmq.wire.sieve import Arrived, Sieve
from heliograph.errors import BusUnavailable
from heliograph.waiting import leave

T = TypeVar("T")

# It logs every failed attempt and every loss with a traceback; our callers are told by
# exceptions and log what matters once.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

HEARTBEAT = 5
"""Seconds. We give a silent broker up after 12, it gives us up after 10."""

# StopAsyncIteration is how aiormq learns that the peer hung up during the handshake, the
# next two what it makes of a peer that does not speak AMQP.
_LOST = (AMQPError, OSError, RuntimeError, StopAsyncIteration, PAMQPException, ValueError)

CALL_DEADLINE = 5.0
CLOSE_DEADLINE = 3.0


async def within(seconds: float, call: Coroutine[Any, Any, T]) -> T:
    """Await a call to the broker for at most `seconds`.

    Raises `BusUnavailable` if that was too short or the connection is lost, and lets
    through aiormq's `AMQPChannelError`: the broker refused this call.
    """
    task = asyncio.ensure_future(call)
    try:
        # Not `wait_for`: aiormq cancels what waits on a lost connection, and that must not
        # look as if our own caller had been cancelled.
        answered, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        leave(task)
        if not task.done():
            await asyncio.wait({task}, timeout=1)
    if not answered:
        raise BusUnavailable(f"the broker did not answer within {seconds:g} s")
    if task.cancelled():
        raise BusUnavailable("the connection to the broker was lost")
    error = task.exception()
    if isinstance(error, _LOST) and not isinstance(error, AMQPChannelError):
        reason = getattr(error, "strerror", None) or repr(error)
        raise BusUnavailable(f"no connection to the broker: {reason}") from error
    return task.result()


class _Impatient(Connection):
    """With aiormq's own patience of 18 s it takes 20 to be rid of a dead connection."""

    HEARTBEAT_GRACE_MULTIPLIER = 2


class Link:
    """A connection that is replaced when it is lost, or dropped because it is in doubt."""

    def __init__(self, url: str, name: str) -> None:
        self._url = URL(url).update_query(heartbeat=HEARTBEAT)
        self._name = name
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._transport = _Transport(self._url)
        self.on_open: Callable[[], None] = lambda: None
        """Called whenever a connection was opened."""
        self.closed = False

    @property
    def user(self) -> str:
        """Who the broker takes us for."""
        # As aiormq has it.
        return self._url.user or "guest"

    async def connect(self) -> None:
        """Have a connection; raise `BusUnavailable` if the broker cannot be reached."""
        await self._open()

    async def channel(self) -> Channel:
        """Open a channel; raise `BusUnavailable` if the broker cannot be reached."""
        connection = await self._open()
        try:
            return cast("Channel", await within(CALL_DEADLINE, connection.channel()))
        except AMQPChannelError as error:
            raise BusUnavailable(f"the broker opened no channel: {error!r}") from error

    def take_deliveries(self, channel: Channel, arrived: Callable[[Arrived], None]) -> None:
        """Hand the channel's deliveries to `arrived`, and no longer to aiormq, until it closes."""
        _until_closed(channel, self._sieve(channel).sinks, arrived)

    def take_confirms(self, channel: Channel, confirms: Confirms) -> None:
        """Note answers to what the channel publishes there, and no longer in aiormq."""
        _until_closed(channel, self._sieve(channel).confirms, confirms)

    def _sieve(self, channel: Channel) -> Sieve:
        sieve = self._transport.sieve
        if sieve is None or channel.connection is not self._connection:
            raise BusUnavailable("the connection to the broker was lost")
        return sieve

    async def blocked(self) -> bool:
        """Tell whether the broker, by a memory or disk alarm, reads nothing we publish."""
        if self._connection is None:
            return False
        try:
            async with asyncio.timeout(0):
                await self._connection.ready()
        except TimeoutError:
            return True
        return False

    async def drop(self, channel: Channel) -> None:
        """Cut the channel's connection without a farewell: what is in flight on it is in doubt."""
        if channel.connection is self._connection:
            connection, self._connection = self._connection, None
            self._transport.abort()
            await _end(connection)

    async def close(self) -> None:
        """End the connection in order, cut it if that takes too long; opens no other."""
        self.closed = True
        connection, self._connection = self._connection, None
        await _end(connection)
        self._transport.abort()

    async def _open(self) -> Connection:
        async with self._opening:
            if self.closed:
                raise BusUnavailable("the bus is closed")
            if self._connection is None or not self._connection.is_opened:
                transport = _Transport(self._url)
                connection = _Impatient(
                    self._url,
                    client_properties={"connection_name": self._name},
                    transport_factory=transport,
                )
                try:
                    await within(CALL_DEADLINE, connection.connect())
                except BusUnavailable:
                    transport.abort()
                    raise
                self._connection, self._transport = connection, transport
                self.on_open()
            return self._connection


class _Transport(TransportFactory):
    """Opens the socket and keeps hold of it, for aiormq cannot cut a connection."""

    def __init__(self, url: URL) -> None:
        self._tls = url.scheme == "amqps"
        self._writer: asyncio.StreamWriter | None = None
        self.sieve: Sieve | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # As `asyncio.open_connection` does, with a reader of our own.
        loop = asyncio.get_running_loop()
        tls = await kwargs["ssl_context_provider"].get_context() if self._tls else None
        self.sieve = reader = Sieve()
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        host, port = url.host or "", url.port or 0
        transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls)
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


def _until_closed(channel: Channel, takers: dict[int, T], taker: T) -> None:
    number = channel.number
    takers[number] = taker

    def forget(_: object) -> None:
        if takers.get(number) is taker:
            del takers[number]

    channel.closing.add_done_callback(forget)


async def _end(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(BusUnavailable, AMQPError):
            await within(CLOSE_DEADLINE, connection.close())


async def end_channel(channel: Channel) -> None:
    """Close a channel, as far as its connection still lets us."""
    with suppress(BusUnavailable, AMQPError):
        await within(CLOSE_DEADLINE, channel.close())
