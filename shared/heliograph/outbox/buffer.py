"""A buffer before the outbox, for events that are too many to write one by one.

What it holds is lost with the process: at most `CAPACITY` events and `FLUSH_S` seconds'
worth. When it is full it drops and counts.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from heliograph.database import Database, Unfinished
from heliograph.errors import DatabaseUnavailable, EventTooLarge
from heliograph.events import Event
from heliograph.outbox.outbox import EncodedEvent, Outbox, encode_all
from heliograph.waiting import Trouble, stopped_within, unless_stopped

log = structlog.get_logger(__name__)

CAPACITY = 10_000
FLUSH_S = 0.1
BATCH = 1_000
RETRY_S = 1.0


class EventBuffer:
    """Collects events and writes them to the outbox, many in one transaction.

    `hold` is a receiver, to be connected last; the buffer is a part of the program. `on_dropped`
    is called with the signal's name for each event that is not kept.
    """

    name = "event buffer"
    last_to_stop = True

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        *,
        capacity: int = CAPACITY,
        on_dropped: Callable[[str], None] = lambda _signal: None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._capacity = capacity
        self._on_dropped = on_dropped
        # Encoded: what an event hangs on would outlive the request, and cost collections.
        self._rows: list[EncodedEvent] = []
        self._filled = asyncio.Event()
        self._trouble = Trouble(
            "cannot write buffered events, keeping them", "writing buffered events again"
        )

    async def unfinished(self) -> list[Unfinished]:
        """What waits for the next write, as one piece of work."""
        count = len(self._rows)
        return [Unfinished(f"{count} buffered events", "not written", 0, None)] if count else []

    def hold(self, event: Event[Any, Any]) -> None:
        """Keep the event for the next write; drop it if the buffer is full, or it is too large."""
        if len(self._rows) >= self._capacity:
            self._on_dropped(event.signal)
            return
        try:
            self._rows += encode_all([event])
        except EventTooLarge as error:
            # Whoever announces to a buffer is not to fail for it: a view is somebody's read.
            log.warning("dropped an event", reason=str(error))
            self._on_dropped(event.signal)
            return
        self._filled.set()

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            while not stopping.is_set():
                await unless_stopped(stopping, self._filled.wait())
                await stopped_within(stopping, FLUSH_S)
                if not await self._flush():
                    await stopped_within(stopping, RETRY_S)
        finally:
            await self._flush()

    async def _flush(self) -> bool:
        """Write what is there; False if the database is away, and then it is kept.

        What comes meanwhile waits for the next write: under load each transaction would
        else hold the few events that came during the one before.
        """
        self._filled.clear()
        waiting = len(self._rows)
        while waiting:
            batch = self._rows[: min(waiting, BATCH)]
            try:
                async with self._database.transaction() as session:
                    await self._outbox.append(session, batch)
            except DatabaseUnavailable as error:
                self._trouble.begin(str(error))
                self._filled.set()
                return False
            self._trouble.end()
            del self._rows[: len(batch)]
            waiting -= len(batch)
        return True
