"""A service opened for a program: with its bus, on a schema that is current."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import NoReturn, TypeVar

import structlog
import uvloop
from sqlalchemy.exc import DBAPIError

from heliograph.bus import Bus, bus_from_url
from heliograph.crash import POINTS, arm
from heliograph.errors import (
    BusUnavailable,
    DatabaseUnavailable,
    HeliographError,
    InvalidSetting,
    MissingExtra,
    SchemaNotCurrent,
)
from heliograph.logging import masked
from heliograph.service.http_server import CannotListen, HttpServer, bind
from heliograph.service.parts import PartFailed, run_parts
from heliograph.service.service import Role, Service
from heliograph.service.shutdown import in_shutdown_order
from heliograph.settings import ServiceSettings, refuse_development_key, refuse_memory_bus

PATIENCE_S = 30.0
"""How long a program waits at its start for servers that start at the same time."""
LOOK_AGAIN_S = 2.0
CLOSING_S = 1.0
"""How long the farewells to the servers may take together."""
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

G = TypeVar("G", bound=ServiceSettings)
S = TypeVar("S", bound=Service)
T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def opened(make: Callable[[G, Bus], S], settings: G) -> AsyncIterator[S]:
    """Make the service with a bus of its own, and let go of both at the end.

    Servers that do not answer are left without a farewell.
    """
    bus = bus_from_url(settings.bus_url, name=f"heliograph {settings.prefix.strip('_').lower()}")
    service = make(settings, bus)
    try:
        yield service
    finally:
        farewells = asyncio.gather(service.close(), bus.close())
        try:
            await asyncio.wait_for(farewells, CLOSING_S)
        except TimeoutError:
            log.warning("left without a farewell, for some server did not answer")


async def serve(
    make: Callable[[G, Bus], Service], settings: G, roles: Collection[Role], host: str, port: int
) -> None:
    """Do what the roles say until SIGTERM or SIGINT, answering HTTP beside it.

    Waits for the database at its start; needs no broker then. Raises `InvalidSetting` on a
    memory bus, or without a key to check tokens with,
    `CannotListen`, `SchemaNotCurrent`, `DatabaseUnavailable`, `PartFailed`.
    """
    refuse_memory_bus(settings)
    if "api" in roles:
        refuse_development_key(settings)
    with bind(host, port) as listener:
        async with opened(make, settings) as service:
            arm(os.environ, {**POINTS, **service.crash_points})
            await patiently(service.check)
            server = HttpServer(service.app(roles), listener)
            log.info(
                "starting", service=service.name, roles=sorted(roles), host=host, port=server.port
            )
            await run_parts(in_shutdown_order([server], service.parts(roles)))


async def migrate(make: Callable[[G, Bus], Service], settings: G) -> None:
    """Migrate the service's database and declare what it needs on its broker."""
    async with opened(make, settings) as service:
        await patiently(service.migrate)


async def patiently(
    step: Callable[[], Awaitable[T]], *, patience: float = PATIENCE_S, pause: float = LOOK_AGAIN_S
) -> T:
    """Repeat the step while its server is away, for at most `patience` seconds.

    They begin when it is first found away: a step that works for longer is not late.
    """
    deadline: float | None = None
    told = ""
    while True:
        try:
            return await step()
        except (DatabaseUnavailable, BusUnavailable) as error:
            now = time.monotonic()
            deadline = deadline or now + patience
            if now + pause > deadline:
                raise
            if str(error) != told:
                told = str(error)
                log.warning("waiting", reason=told)
            await asyncio.sleep(pause)


def run(main: Coroutine[None, None, None], *, interrupted: str = "interrupted") -> None:
    """Run a command to its end; whatever stops it is told in one line on standard error.

    Exits with 2 if it cannot start with these settings, on this schema or on this port, with 1
    if it failed afterwards, with 130 at Ctrl-C, of which `interrupted` tells. A broken pipe is
    raised: the reader of its output has gone.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(main)
            finally:
                # A thread of aiosqlite may just now end what we left, for a loop that is closed.
                threading.excepthook = lambda _: None
    except (InvalidSetting, SchemaNotCurrent, CannotListen, MissingExtra) as error:
        # Not masked: such a message repeats no value, and its examples have passwords.
        _fail(str(error), status=2)
    except PartFailed:
        sys.exit(1)
    except BrokenPipeError:
        raise
    except (HeliographError, OSError) as error:
        # An OSError here is a directory that cannot be made; those of parts are logged.
        _fail(masked(str(error)))
    except DBAPIError as error:
        _fail(masked(f"the database refused: {error.orig}"))
    except KeyboardInterrupt:
        sys.stderr.write(f"{interrupted}\n")
        sys.exit(INTERRUPTED)


def _fail(message: str, *, status: int = 1) -> NoReturn:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(status)
