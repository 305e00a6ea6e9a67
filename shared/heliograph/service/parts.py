"""Programs: parts that start together, work side by side, and stop together."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import structlog

from heliograph.errors import HeliographError

GRACE = 5.0
"""Seconds that parts have to finish what is under way.

With `CANCELLING` and `serving.CLOSING_S` they leave three of the ten after which an engine of
containers kills: on a busy machine the interpreter alone takes as long to end.
"""
CANCELLING = 1.0
"""Seconds that parts have to let go once they are cancelled."""

log = structlog.stdlib.get_logger(__name__)


class PartFailed(HeliographError):
    """A part of the program ended before it was asked to; the program has stopped."""


class Part(Protocol):
    """One of the things that a program does, such as serving HTTP or relaying.

    One with a true attribute `last_to_stop` works until all others have ended.
    """

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
        if work.done() and not work.cancelled():
            # Else asyncio logs it as an error that nobody has seen.
            work.exception()


def _failed(task: asyncio.Task[None], *, early: bool) -> bool:
    if not task.done() or task.cancelled():
        return early
    error = task.exception()
    if error is not None:
        log.error("a part failed", part=task.get_name(), exc_info=error)
    elif early:
        log.error("a part ended although nobody asked it to", part=task.get_name())
    return early or error is not None
