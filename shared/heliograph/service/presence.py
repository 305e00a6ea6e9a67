"""The part of a program that says that it is up, and whether it can do its job."""

import asyncio

import structlog

from heliograph.errors import DatabaseUnavailable
from heliograph.http import Health, Readiness
from heliograph.programs import Process, Programs
from heliograph.waiting import Trouble, stopped_within, unless_stopped

RENEWED_EVERY_S = 10.0
"""A third of the time after which a silent program is taken for dead."""

SOON_S = 1.0
"""Until the first turn, for until then most programs are connecting; pauses double from here."""

FAREWELL_S = 1.0
"""How long the database may take to hear that the program stops."""

log = structlog.get_logger(__name__)


class Presence:
    """Keeps the program's row among those of its service; a part of every program.

    What it tells of the program's health is what its probes are told. A database that is away is
    tried again at the next turn.
    """

    name = "presence"

    def __init__(self, programs: Programs, process: Process, health: Health) -> None:
        self._programs = programs
        self._process = process
        self._health = health
        self.trouble = Trouble(
            "cannot tell that the program is up", "others are told again that the program is up"
        )

    async def run(self, stopping: asyncio.Event) -> None:
        pause = SOON_S
        while not await stopped_within(stopping, pause):
            await unless_stopped(stopping, self._renew())
            pause = min(2 * pause, RENEWED_EVERY_S)
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._programs.leave(self._process)
        except (DatabaseUnavailable, TimeoutError) as error:
            # Its silence will say the same.
            log.info("left the list of programs without a word", reason=repr(error))

    async def _renew(self) -> None:
        readiness = await self._health.readiness()
        ready = readiness.status != "unavailable"
        try:
            await self._programs.renew(self._process, ready=ready, why=_why(readiness))
        except DatabaseUnavailable as error:
            self.trouble.begin(str(error))
        else:
            self.trouble.end()


def _why(readiness: Readiness) -> str | None:
    """What failed, with its details, which are masked; None if nothing did."""
    failed = [
        f"{name}: {check.detail or check.status}"
        for name, check in readiness.checks.items()
        if check.status != "ok"
    ]
    return "; ".join(failed) or None
