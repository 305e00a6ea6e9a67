"""An application behind our HTTP server, on a thread of its own, and raw clients of it."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop
from starlette.types import ASGIApp

from heliograph.service import HttpServer, bind
from heliograph.service.http_limits import Limits

PATIENCE_S = 10


@dataclass(frozen=True)
class Answer:
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The last word of the problem's type."""
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return str(found["type"]).rpartition(":")[2]


class Client:
    """One connection, on which anything can be written."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.answer()

    def answer(self) -> Answer:
        """The next response; raises `EOFError` if there is none."""
        status = self._file.readline()
        if not status:
            raise EOFError
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(
            int(status.split()[1]), headers, self._file.read(int(headers.get("content-length", 0)))
        )

    def has_been_told_within(self, seconds: float) -> bool:
        """Whether an answer, or the end of the connection, comes within the time."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        return bool(readable)

    def is_closed(self) -> bool:
        """Whether the server closes the connection, which is waited for."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


@contextmanager
def client(port: int, *, receive_buffer: int | None = None) -> Iterator[Client]:
    with closing(Client(port, receive_buffer=receive_buffer)) as opened:
        yield opened


@contextmanager
def served(app: ASGIApp, limits: Limits | None = None) -> Iterator[int]:
    """Serve the application as our programs do; yields the port."""
    server = HttpServer(app, bind("127.0.0.1", 0), limits=limits)
    port = server.port
    ready = threading.Event()
    loop = uvloop.new_event_loop()
    stopping = asyncio.Event()

    async def run() -> None:
        serving = asyncio.create_task(server.run(stopping))
        await server.ready.wait()
        ready.set()
        await serving

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield port
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
