"""A TCP proxy that breaks what passes through it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

CHUNK = 65536
DRIP_BYTES = 64
DRIP_S = 0.005

Watch = Callable[[bytes], None]
"""Is told what the client of one connection says, before that is passed on."""


def _unwatched() -> Watch:
    return lambda _data: None


class Proxy:
    """Stands before a server on a free port of the loopback interface."""

    def __init__(
        self, target: int, host: str = "127.0.0.1", *, watch: Callable[[], Watch] = _unwatched
    ) -> None:
        self._target = target
        self._host = host
        self._watch = watch
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._dripping = False
        self._refusing = False
        self._left: int | None = None
        self.severed: list[datetime] = []
        """When connections were cut, reset or refused, each by itself."""

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the proxy does not listen")
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def hold(self) -> None:
        """Pass nothing on, in either direction, and keep every connection open."""
        self._flowing.clear()

    def drip(self) -> None:
        """Pass on 64 bytes every 5 milliseconds."""
        self._dripping = True

    def cut_after(self, count: int) -> None:
        """Close the connection that passes on the `count`th byte from now."""
        self._left = count

    def reset(self) -> None:
        """End all connections at once by RST, without a farewell to either side."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.severed.append(datetime.now(UTC))
            writer.transport.abort()

    def refuse(self) -> None:
        """Close whatever connects from now on."""
        self._refusing = True

    def heal(self) -> None:
        """Pass everything on again."""
        self._dripping = self._refusing = False
        self._left = None
        self._flowing.set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._pairs:
            task.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._pairs.add(task)
            task.add_done_callback(self._pairs.discard)
        if self._refusing:
            self.severed.append(datetime.now(UTC))
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection(self._host, self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, onward}
        self._writers |= ends
        try:
            flows = [
                asyncio.create_task(self._flow(reader, onward, self._watch())),
                asyncio.create_task(self._flow(onward_reader, writer, _unwatched())),
            ]
            await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _flow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(DRIP_BYTES if self._dripping else CHUNK):
                await self._flowing.wait()
                watch(data)
                if self._left is not None and len(data) >= self._left:
                    data, self._left = data[: self._left], None
                    self.severed.append(datetime.now(UTC))
                    writer.write(data)
                    return
                if self._left is not None:
                    self._left -= len(data)
                writer.write(data)
                await writer.drain()
                if self._dripping:
                    await asyncio.sleep(DRIP_S)


@asynccontextmanager
async def proxy(
    target: int, host: str = "127.0.0.1", *, watch: Callable[[], Watch] = _unwatched
) -> AsyncIterator[Proxy]:
    """Run a proxy before a port; `watch` is asked for each connection who is told."""
    made = Proxy(target, host, watch=watch)
    await made.listen()
    try:
        yield made
    finally:
        await made.close()
