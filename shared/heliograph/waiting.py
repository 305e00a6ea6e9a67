"""Waiting, for parts of a program that may be told to stop meanwhile."""

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

_log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

LEASE_S = 20.0
"""How long whoever took work may be silent before it goes to another; more than one piece takes."""

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses after consecutive failures of a server; the last repeats, so that one that is back is
used within five seconds."""


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures before this one.

    A jitter of up to a quarter keeps those who lost a server together from coming back together.
    """
    return _jittered(PAUSES_S[min(failures, len(PAUSES_S) - 1)])


def _jittered(pause: float) -> float:
    return pause * random.uniform(0.75, 1.0)  # noqa: S311 - a jitter, not a secret


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`; True as soon as the part is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


async def unless_stopped(stopping: asyncio.Event, awaited: Awaitable[T]) -> T | None:
    """What is awaited; None as soon as the part is to stop, and then it is cancelled.

    Raises what it raises.
    """
    ended = asyncio.create_task(stopping.wait())
    work = asyncio.ensure_future(awaited)
    try:
        await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        leave(work)
    await asyncio.wait({work})
    return None if work.cancelled() else work.result()


def leave(task: asyncio.Future[Any]) -> None:
    """Cancel a task, unless it is done, that perhaps nobody will ask what it ended of.

    What it fails of would else be an error in asyncio's log.
    """
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    task.cancel()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a failed event runs again.

    The pause doubles from `first` to `longest` seconds; a jitter of up to a quarter keeps
    events that failed together from coming back together.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 300.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after that attempt, counted from 1."""
        return _jittered(min(self.first * 2.0 ** (attempt - 1), self.longest))


class Trouble:
    """The trouble of one part, which tries again and again.

    The log has a warning `begins` when it begins, with the reason, and a line `over` once it is
    over, however often the part has failed meanwhile.
    """

    def __init__(self, begins: str, over: str) -> None:
        self._begins = begins
        self._over = over
        self.reason: str | None = None
        """Why it cannot work right now; None if it can."""

    def begin(self, reason: str, **about: object) -> None:
        """The part has failed, of this."""
        if self.reason is None:
            _log.warning(self._begins, reason=reason, **about)
        self.reason = reason

    def end(self, **about: object) -> None:
        """The part has worked."""
        if self.reason is not None:
            _log.info(self._over, **about)
        self.reason = None
