"""The relay: takes events from the outbox and gives them to the bus.

It publishes a batch with many confirms in flight, deletes what the bus confirmed and
keeps the rest. What the bus refuses is put aside, and with it the later events of its
subject, until it is confirmed or given up: so first copies leave in the order of their commits.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Literal

import structlog

from heliograph.bus import Publisher
from heliograph.crash import crash_point
from heliograph.database import Bell
from heliograph.errors import BusUnavailable, DatabaseUnavailable
from heliograph.logging import of_event, of_events
from heliograph.outbox.claims import Claims, OutboxRow
from heliograph.outbox.sifting import Sifted, sift
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
    MORE = "there may be others"
    STUCK = "the bus or the database is away"


Failure = Literal["bus", "database"]
"""What was away."""


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
        on_refused: Callable[[int], None] = lambda _count: None,
        on_failure: Callable[[Failure], None] = lambda _reason: None,
    ) -> None:
        self._claims = claims
        self._bus = bus
        self._waiter = bell.waiter()
        self._listening = asyncio.Lock()
        self._rings = 0
        """How many were answered."""
        self._listen_at = 0.0
        self._on_published = on_published
        self._on_refused = on_refused
        self._on_failure = on_failure
        self.trouble: str | None = None
        """Why nothing can be relayed right now."""
        self._interrupted: Failure | None = None
        """By what, from the line that says so to the one that says that it is over."""

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._claims.parallel):
                tasks.create_task(self._pump(stopping))
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
            failure: Failure = "bus" if isinstance(error, BusUnavailable) else "database"
            if self._interrupted is None:
                log.warning("relay interrupted, will try again", reason=str(error))
            self.trouble, self._interrupted = str(error), failure
            self._on_failure(failure)
            return Progress.STUCK
        self.trouble = None
        # Whoever found nothing to publish has learnt nothing of the bus.
        if self._interrupted == "database":
            self._goes_on()
        return progress

    def _goes_on(self) -> None:
        if self._interrupted is not None:
            self._interrupted = None
            log.info("relay goes on")

    async def _listen(self, stopping: asyncio.Event) -> None:
        """Wait for a ring: it wakes one, the next another, should that one be busy still."""
        async with self._listening:
            if stopping.is_set():
                return
            await asyncio.sleep(self._listen_at - time.monotonic())
            if await self._waiter.wait(stopping, POLL_S):
                self._rings += 1
            self._listen_at = time.monotonic() + GATHER_S

    async def relay_once(self, limit: int = BATCH) -> Progress:
        """Relay one batch; raise `BusUnavailable` or `DatabaseUnavailable`."""
        async with self._claims.claim(limit) as claim:
            if not claim.rows:
                return Progress.MORE if claim.more else Progress.DONE
            crash_point("relay.after_claim")
            sifted = await sift(self._bus, [row for row in claim.rows if not row.discarded])
            crash_point("relay.after_confirm")
            published = [*sifted.gone]
            discarded = [row for row in claim.rows if row.discarded]
            sifted.gone += discarded
            await claim.settle(sifted)
            crash_point("relay.after_delete")
            if sifted.parked:
                crash_point("relay.after_park")
        self._on_published(len(published))
        if published:
            if sifted.trouble is None:
                self._goes_on()
            log.info("published", **_named(published))
        if discarded:
            log.info("discarded", **_named(discarded))
        if sifted.refused or sifted.parked:
            self._tell(sifted)
        if sifted.trouble is not None:
            raise sifted.trouble
        all_gone = len(sifted.gone) == len(claim.rows) and not claim.more
        freed = any(row.frees for row in sifted.gone)
        return Progress.DONE if all_gone and not freed else Progress.MORE

    def _tell(self, sifted: Sifted) -> None:
        self._on_refused(len(sifted.refused) + len(sifted.parked))
        for row, reason in sifted.parked:
            log.error(
                "the broker will not have an event: it is parked, later ones of its subject wait;"
                " look with `outbox show`, then redrive or discard it",
                id=row.id, routing_key=row.message.routing_key, bytes=len(row.message.body),
                reason=reason, attempt=row.attempts + 1, **_named([row]),
            )  # fmt: skip
        by_key = defaultdict(list)
        for row in sifted.refused:
            by_key[row.message.routing_key].append(row)
        for key, rows in by_key.items():
            log.warning(
                "a queue turned events down, they are tried again later: look for a full queue"
                " with x-overflow=reject-publish that is bound to this routing key",
                routing_key=key, attempt=1 + max(row.attempts for row in rows), **_named(rows),
            )  # fmt: skip


def _named(rows: Sequence[OutboxRow]) -> dict[str, object]:
    if len(rows) > 1:
        return of_events([row.message.id for row in rows])
    [one] = rows
    return of_event(one.message.id, one.subject, one.message.headers.get("traceparent"))
