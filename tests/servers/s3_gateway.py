"""A gateway before a server of buckets that fails on request."""

import re
import socket
import struct
from asyncio import (
    IncompleteReadError,
    StreamReader,
    StreamWriter,
    open_connection,
    start_server,
)
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ERROR = """\
<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>Try again.</Message></Error>"""
_CODES = {500: "InternalError", 503: "SlowDown"}


@dataclass(frozen=True)
class Failure:
    """How one request fails."""

    status: int | None
    """What it is answered; None resets the connection."""
    done: bool = False
    """Whether the bucket has done what was asked: the client cannot know."""


class Gateway:
    """Passes requests on, one a connection, but for those that are to fail."""

    def __init__(self, endpoint: str) -> None:
        self._target = urlsplit(endpoint)
        self.failures: deque[Failure] = deque()
        """How the next requests fail, one after the other."""
        self.requests: list[str] = []
        """The methods that were asked for so far."""

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        except (IncompleteReadError, ConnectionError):
            writer.close()
            return
        self.requests.append(head.partition(b" ")[0].decode())
        failure = self.failures.popleft() if self.failures else None
        answer = b""
        if failure is None or failure.done:
            answer = await self._ask(head, body)
        if failure is not None:
            if failure.status is None:
                _reset(writer)
                return
            answer = _answer(failure.status)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await open_connection(self._target.hostname, self._target.port)
        writer.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
        return answer


def _answer(status: int) -> bytes:
    body = _ERROR.format(_CODES[status]).encode()
    head = f"HTTP/1.1 {status} Error\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _reset(writer: StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def gateway(endpoint: str) -> AsyncIterator[tuple[Gateway, str]]:
    """Run a gateway; give it and the endpoint at which it is asked."""
    made = Gateway(endpoint)
    server = await start_server(made.connected, "127.0.0.1", 0)
    try:
        yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        # Not `async with`: that waits for clients who keep a connection open.
        server.close()
