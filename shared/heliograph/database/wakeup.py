"""Waking whoever waits for rows: at once within a process, by NOTIFY across processes.

A missed ring costs the delay of a poll, never an event: those who wait look again by
themselves after a while.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from heliograph.database.database import Database
from heliograph.database.postgresql import (
    CONNECT_TIMEOUT_S,
    SERVER_ERRORS,
    connect,
)
from heliograph.database.unavailable import LOST
from heliograph.waiting import Trouble, pause_after, stopped_within, unless_stopped

if TYPE_CHECKING:
    import asyncpg

log = structlog.get_logger(__name__)

DEBOUNCE_S = 0.005
"""Least time between two NOTIFYs: they serialise commits, so a burst shares one."""

STEADY_S = 10.0
"""A connection that lasted this long was a good one: the next failure is a first one."""

_LOST: tuple[type[Exception], ...] = (*LOST, *SERVER_ERRORS)


class Bell:
    """Rings when there may be new work of one kind, e.g. rows in the outbox."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rung = asyncio.Event()
        """Set by rings of this process, for the notify bridge to pass on."""
        self._waiters: list[asyncio.Event] = []

    def ring(self) -> None:
        """Wake the waiters of this process and, through a `NotifyBridge`, of all others."""
        self.wake()
        self.rung.set()

    def wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    def waiter(self) -> "Waiter":
        event = asyncio.Event()
        self._waiters.append(event)
        return Waiter(event)


class Waiter:
    """One listener's memory of a bell: a ring between two waits is not missed."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def wake(self) -> None:
        self._event.set()

    async def wait(self, stopping: asyncio.Event, at_most: float) -> bool:
        """Return on a ring, when told to stop, or after `at_most` seconds; True if it rang."""
        try:
            async with asyncio.timeout(at_most):
                return await unless_stopped(stopping, self._event.wait()) is not None
        except TimeoutError:
            return False
        finally:
            self._event.clear()


class NotifyBridge:
    """Carries rings between the processes of one service over PostgreSQL's LISTEN/NOTIFY.

    It has a connection of its own: a NOTIFY inside a business transaction would make all
    commits queue for one lock. A part of every program; on SQLite it has nothing to do,
    for there all parts share one process or poll.
    """

    name = "notify bridge"

    def __init__(self, database: Database, bells: tuple[Bell, ...]) -> None:
        self._database = database
        self._bells = {f"heliograph_{bell.name}": bell for bell in bells}
        self._trouble = Trouble("wake-ups interrupted, polling meanwhile", "wake-ups go on")

    async def run(self, stopping: asyncio.Event) -> None:
        if self._database.is_sqlite:
            await stopping.wait()
            return
        failures = 0
        while not stopping.is_set():
            began = time.monotonic()
            try:
                await unless_stopped(stopping, self._carry())
            except Exception as error:
                if not _is_lost(error):
                    raise
                self._trouble.begin(repr(error))
                failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
                await stopped_within(stopping, pause_after(failures))

    async def _carry(self) -> None:
        connection = await connect(self._database.url)
        closed, line = asyncio.Event(), asyncio.Lock()
        connection.add_termination_listener(lambda _connection: closed.set())
        try:
            for channel in self._bells:
                await connection.add_listener(channel, self._heard)
            self._trouble.end()
            async with asyncio.TaskGroup() as tasks:
                for channel, bell in self._bells.items():
                    tasks.create_task(self._notify(connection, line, channel, bell))
                # A process that only listens would never learn otherwise.
                await closed.wait()
                raise ConnectionResetError("the database closed the connection")
        finally:
            connection.terminate()

    async def _notify(
        self,
        connection: "asyncpg.Connection[Any]",
        line: asyncio.Lock,
        channel: str,
        bell: Bell,
    ) -> None:
        while True:
            await bell.rung.wait()
            # asyncpg refuses a second statement while one is under way.
            async with line:
                bell.rung.clear()
                await connection.execute(f"NOTIFY {channel}", timeout=CONNECT_TIMEOUT_S)
            await asyncio.sleep(DEBOUNCE_S)

    def _heard(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._bells[channel].wake()


def _is_lost(outcome: object) -> bool:
    """Whether the work ended by nothing but a lost connection."""
    if isinstance(outcome, ExceptionGroup):
        return outcome.split(_LOST)[1] is None
    return isinstance(outcome, _LOST)
