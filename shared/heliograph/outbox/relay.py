"""The relay: takes events from the outbox and gives them to the bus.

It publishes a batch with many confirms in flight, deletes what the bus confirmed and
keeps the rest. Of a subject whose event failed it sends one event at a time, the oldest
first, until that one is confirmed: so first copies leave in the order of their commits.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

import structlog

from heliograph.bus import Publisher
from heliograph.crash import crash_point
from heliograph.database import Bell
from heliograph.errors import BusUnavailable, DatabaseUnavailable
from heliograph.outbox.claims import Claims, OutboxRow
from heliograph.waiting import pause_after, stopped_within

log = structlog.get_logger(__name__)

BATCH = 500
POLL_S = 0.5
"""Longest wait for a ring; the net under wake-ups that were missed."""
GATHER_S = 0.005
"""Least time between two rings that are answered: what is committed meanwhile shares a claim."""


class Progress(Enum):
    """What became of an attempt to relay a batch."""

    DONE = "nothing was there, or all that was there has gone out"
    MORE = "the bus took events, and there may be others"
    STUCK = "the bus took none of them"


def sendable(rows: Iterable[OutboxRow]) -> Iterator[OutboxRow]:
    """Leave out the rows that must wait for an earlier one of their subject which failed."""
    rows = tuple(rows)
    failed = {row.subject for row in rows if row.attempts}
    begun: set[str] = set()
    for row in rows:
        if row.subject in failed:
            if row.subject in begun:
                continue
            begun.add(row.subject)
        yield row


class Relay:
    """A part of a program; any number of them may run, here and elsewhere."""

    name = "relay"

    def __init__(
        self,
        claims: Claims,
        bus: Publisher,
        bell: Bell,
        *,
        on_published: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._claims = claims
        self._bus = bus
        self._bell = bell
        self._waiter = bell.waiter()
        self._listening = asyncio.Lock()
        self._rings = 0
        """How many were answered."""
        self._listen_at = 0.0
        self._on_published = on_published
        self.trouble: str | None = None
        """Why nothing can be relayed right now."""

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._claims.parallel):
                tasks.create_task(self._pump(stopping))
            await stopping.wait()
            self._bell.wake()
        with contextlib.suppress(DatabaseUnavailable):
            await self._claims.release()

    async def _pump(self, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            rings = self._rings
            progress = await self._attempt()
            if progress is Progress.STUCK:
                # A ring does not cut it short: new events mend nothing.
                await stopped_within(stopping, pause_after(failures))
                failures += 1
                continue
            failures = 0
            # A ring since then may be for an event that another claim found locked by this one.
            if progress is Progress.DONE and self._rings == rings:
                await self._listen(stopping)

    async def _attempt(self) -> Progress:
        try:
            progress = await self.relay_once()
        except (BusUnavailable, DatabaseUnavailable) as error:
            if self.trouble is None:
                log.warning("relay interrupted, will try again", reason=str(error))
            self.trouble = str(error)
            return Progress.STUCK
        self.trouble = None
        return progress

    async def _listen(self, stopping: asyncio.Event) -> None:
        """Wait for a ring: it wakes one, the next another, should that one be busy still."""
        async with self._listening:
            if stopping.is_set():
                return
            await asyncio.sleep(self._listen_at - time.monotonic())
            if await self._waiter.wait(POLL_S):
                self._rings += 1
            self._listen_at = time.monotonic() + GATHER_S

    async def relay_once(self, limit: int = BATCH) -> Progress:
        """Relay one batch; raise `BusUnavailable` or `DatabaseUnavailable`."""
        async with self._claims.claim(limit) as claim:
            rows = tuple(sendable(claim.rows))
            if not rows:
                return Progress.DONE
            crash_point("relay.after_claim")
            confirmed = await self._bus.publish([row.message for row in rows])
            crash_point("relay.after_confirm")
            published = [row.id for row in rows if row.message.id in confirmed]
            failed = [row.id for row in rows if row.message.id not in confirmed]
            await claim.settle(published, failed)
            crash_point("relay.after_delete")
        self._on_published(len(published))
        if failed:
            log.warning("the bus did not confirm", events=len(failed), confirmed=len(published))
        if not published:
            return Progress.STUCK
        all_gone = len(published) == len(claim.rows) and not claim.more
        return Progress.DONE if all_gone else Progress.MORE
