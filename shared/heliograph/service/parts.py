"""Programs: parts that start together, work side by side, and stop together."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, NoReturn, Protocol

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from heliograph.errors import HeliographError, InvalidSetting, SchemaNotCurrent

GRACE = 5.0
"""Seconds that parts have to finish what is under way.

With `CANCELLING` and `serving.CLOSING_S` they leave three of the ten after which an engine of
containers kills: on a busy machine the interpreter alone takes as long to end.
"""
HTTP_GRACE = 4
"""Seconds that requests have to finish; less than `GRACE`."""
CANCELLING = 1.0
"""Seconds that parts have to let go once they are cancelled."""
LAST_PORT = 65535

log = structlog.stdlib.get_logger(__name__)


class CannotListen(HeliographError):
    """The address cannot be listened on."""


class PortBusy(CannotListen):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use: choose another with --port")


class PartFailed(HeliographError):
    """A part of the program ended before it was asked to; the program has stopped."""


class Part(Protocol):
    """One of the things that a program does, such as serving HTTP or relaying."""

    name: str

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what is under way and return."""
        ...


async def run_parts(parts: Sequence[Part], *, grace: float = GRACE) -> None:
    """Run the parts until SIGTERM or SIGINT, then let them finish within `grace` seconds.

    What has not finished by then is cancelled; a second SIGINT cancels at once. A part
    that ends on its own stops the others in the same way. Raises `PartFailed` for that,
    once all have stopped.
    """
    stopping, forced = asyncio.Event(), asyncio.Event()
    with _signals(stopping, forced), _started():
        tasks = [asyncio.create_task(part.run(stopping), name=part.name) for part in parts]
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({*tasks, asked}, return_when=asyncio.FIRST_COMPLETED)
            early = [] if stopping.is_set() else [task for task in tasks if task.done()]
            stopping.set()
            await _finish(tasks, forced, grace)
        finally:
            for task in (*tasks, asked):
                task.cancel()
    failed = [task.get_name() for task in tasks if _failed(task, early=task in early)]
    if failed:
        raise PartFailed(f"{', '.join(failed)} failed")


@contextlib.contextmanager
def _signals(stopping: asyncio.Event, forced: asyncio.Event) -> Iterator[None]:
    def stop(number: signal.Signals) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            forced.set()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _started() -> Iterator[None]:
    """Spare the garbage collector what was there before the parts: modules, mappings, routes.

    Each full collection would look at all of it, for a tenth of a second and in vain.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _finish(tasks: list[asyncio.Task[None]], forced: asyncio.Event, grace: float) -> None:
    work = asyncio.gather(*tasks, return_exceptions=True)
    force = asyncio.create_task(forced.wait())
    either: set[asyncio.Future[Any]] = {work, force}
    await asyncio.wait(either, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
    force.cancel()
    late = [task.get_name() for task in tasks if not task.done()]
    if late:
        log.warning("parts did not finish in time", parts=late, forced=forced.is_set())
        work.cancel()
        await asyncio.wait({work}, timeout=CANCELLING)


def _failed(task: asyncio.Task[None], *, early: bool) -> bool:
    if not task.done() or task.cancelled():
        return early
    error = task.exception()
    if error is not None:
        log.error("a part failed", part=task.get_name(), exc_info=error)
    elif early:
        log.error("a part ended although nobody asked it to", part=task.get_name())
    return early or error is not None


def bind(host: str, port: int) -> socket.socket:
    """Listen on the address; port 0 is any free one.

    Done before anything else is started. Raises `PortBusy` or `CannotListen`.
    """
    if not 0 <= port <= LAST_PORT:
        raise CannotListen(f"{port} is not a port: choose one from 0 to {LAST_PORT} with --port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # A socket that is bound but does not listen would not keep another program away.
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(port) from error
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {host}, port {port}: {reason}") from error


class HttpServer:
    """Serves an application on a socket that listens already."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, name: str = "http") -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set once requests are answered."""
        self._app = app
        self._listener = listener

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    async def run(self, stopping: asyncio.Event) -> None:
        server = _Server(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=HTTP_GRACE,
            ),
            self.ready,
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
    """Leaves signals to `run_parts`, and says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()


def main_with_uvloop(main: Coroutine[None, None, None]) -> None:
    """Run a program to its end.

    Exits with 1 if a part failed, and with 2 and one line if the program cannot start
    with these settings, on this schema or on this port.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    except (InvalidSetting, SchemaNotCurrent, CannotListen) as error:
        fail(str(error))
    except PartFailed:
        sys.exit(1)


def fail(message: str) -> NoReturn:
    """Print one line to standard error and exit with 2."""
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)
