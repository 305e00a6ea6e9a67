"""The part of a program that answers HTTP."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from starlette.types import ASGIApp

from heliograph.errors import HeliographError
from heliograph.service.http_limits import Limits
from heliograph.service.http_protocol import BoundedConfig, BoundedProtocol
from heliograph.service.parts import PartFailed

HTTP_GRACE = 4
"""Seconds that requests have to finish; less than `parts.GRACE`."""

LAST_PORT = 65535

TICKS_A_SECOND = 10
"""Of uvicorn's main loop."""

log = structlog.stdlib.get_logger(__name__)


class CannotListen(HeliographError):
    """The address cannot be listened on."""


class PortBusy(CannotListen):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use: choose another with --port")


def bind(host: str, port: int) -> socket.socket:
    """Listen on the address; port 0 is any free one.

    Done before anything else is started. Raises `PortBusy` or `CannotListen`.
    """
    if not 0 <= port <= LAST_PORT:
        raise CannotListen(f"{port} is not a port: choose one from 0 to {LAST_PORT} with --port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # A socket that is bound but does not listen would not keep another program away.
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(port) from error
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {host}, port {port}: {reason}") from error
    # Connections inherit it. Not every event loop sets it for sockets that it did not make, and
    # an answer in two parts would wait 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class HttpServer:
    """Serves an application on a socket that listens already.

    Each request has `request.state.stopping`, an `asyncio.Event` that is set when the program is to
    stop: an answer without an end, such as a stream of what happens, ends then.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        name: str = "http",
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set once requests are answered."""
        self._app = app
        self._listener = listener
        self._limits = limits or Limits()

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    async def run(self, stopping: asyncio.Event) -> None:
        server = _Server(
            BoundedConfig(
                self._app,
                self._limits,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                # Who a proxy speaks for is for the service to say, which knows its proxies.
                proxy_headers=False,
                timeout_graceful_shutdown=HTTP_GRACE,
            ),
            self.ready,
            stopping,
        )
        stop = asyncio.create_task(self._stop(server, stopping))
        try:
            await server.serve(sockets=[self._listener])
        except SystemExit as error:
            # Uvicorn's way to say that the application's lifespan raised.
            raise PartFailed("the application did not start") from error
        finally:
            stop.cancel()
            self._listener.close()

    @staticmethod
    async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
        await stopping.wait()
        server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves signals to `run_parts`, says when it answers, and has its connections checked."""

    config: BoundedConfig

    def __init__(
        self, config: BoundedConfig, ready: asyncio.Event, stopping: asyncio.Event
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # What every request is given a copy of (ASGI's lifespan state).
        self.lifespan.state["stopping"] = self._stopping
        await super().startup(sockets=sockets)
        self._ready.set()

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.check(now)
        if self.config.crowded and counter % TICKS_A_SECOND == 0:
            log.warning("too many connections", closed_or_refused=self.config.crowded)
            self.config.crowded = 0
        return await super().on_tick(counter)
