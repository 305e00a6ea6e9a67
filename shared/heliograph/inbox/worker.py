"""Workers: they run the receivers on what is in the inbox, and settle what became of it.

A worker is a part of a program; any number may run.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bind_contextvars

from heliograph.contract import Contract
from heliograph.crash import crash_point
from heliograph.database import Session
from heliograph.errors import DatabaseUnavailable, Malformed, Park
from heliograph.events import Event, LaterVersion, decode_for
from heliograph.group_commit import GroupCommit
from heliograph.inbox.done import DoneLines, named
from heliograph.inbox.inbox import Inbox, LeaseLost
from heliograph.inbox.leases import Claimed
from heliograph.inbox.reading import REASON_LENGTH
from heliograph.signals import Collaborators, QueuedReceiver
from heliograph.text import printable
from heliograph.waiting import (
    LEASE_S,
    Retries,
    Trouble,
    pause_after,
    stopped_within,
    unless_stopped,
)

log = structlog.get_logger(__name__)

NEWER_S = 2.0
"""Pause for a worker of a newer release to take what ours cannot read."""

POLL_S = 0.5
"""Longest wait for a ring; retries that fall due are found by it too."""

CONCURRENCY = 8
"""Events that one worker runs side by side for each receiver."""

WITHOUT_SESSION = 16
"""So many times as many, if the receiver asks for no session: then it holds no connection."""

GATHER_S = 0.01
"""Longest that a free place waits for others, to be filled by one claim."""

RunOutcome = Literal["done", "retried", "parked", "handed_back", "lost"]
"""What became of a call of a receiver. `handed_back`: the program stopped meanwhile; `lost`: it
could not be recorded, and the events come back when their lease ends."""

OnRun = Callable[[str, RunOutcome, float, Sequence[Event[Any]]], None]
"""Is told the receiver's name, what became of a call, the seconds that it took, and its events."""


class Worker:
    """Runs the service's receivers on the rows of its inbox."""

    name = "worker"

    def __init__(
        self,
        receivers: Sequence[QueuedReceiver],
        inbox: Inbox,
        *,
        retries: Retries = Retries(),
        concurrency: int = CONCURRENCY,
        on_run: OnRun = lambda _receiver, _outcome, _seconds, _events: None,
    ) -> None:
        self._receivers = receivers
        self._inbox = inbox
        self._retries = retries
        self._concurrency = concurrency
        self._on_run = on_run
        self._done = DoneLines()
        self._marks = GroupCommit(self._mark)
        self._trouble = Trouble("receivers wait", "receivers go on")

    @property
    def trouble(self) -> str | None:
        """Why no receiver can run right now; None if they can."""
        return self._trouble.reason

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for receiver in self._receivers:
                tasks.create_task(self._work(receiver, stopping))
            await stopping.wait()
        self._done.tell()

    async def _work(self, receiver: QueuedReceiver, stopping: asyncio.Event) -> None:
        waiter = self._inbox.bell.waiter()
        most = self._concurrency * (1 if _asks_for_session(receiver) else WITHOUT_SESSION)
        # Half at a time, so that one half is claimed while the other runs.
        at_once = max(most // 2, 1)
        running: set[asyncio.Task[None]] = set()
        together = receiver.batch
        failures = 0
        async with _finishing(running):
            while not stopping.is_set():
                places = most - len(running)
                if not places:
                    await unless_stopped(stopping, _room_for(at_once, running))
                    continue
                limit = together or min(places, at_once)
                try:
                    claimed = await self._inbox.claim(
                        receiver, limit, attempts=self._retries.attempts
                    )
                except DatabaseUnavailable as error:
                    self._trouble.begin(str(error))
                    await stopped_within(stopping, pause_after(failures))
                    failures += 1
                    continue
                self._trouble.end()
                failures = 0
                groups = _groups(receiver, claimed)
                # What is left of a batch that failed needs a place for each.
                together = None if any(row.attempts > 1 for row in claimed) else receiver.batch
                if over := [row for group in groups[places:] for row in group]:
                    # Their leases would run while they wait for a place.
                    await self._settle(self._inbox.hand_back(over))
                for group in groups[:places]:
                    task = asyncio.create_task(self.run_group(receiver, group))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    # A freed place, or a subject's next event, must not wait for the poll.
                    task.add_done_callback(lambda _task: waiter.wake())
                if any(row.suspect for row in claimed):
                    await unless_stopped(stopping, asyncio.wait(running))
                elif len(claimed) < limit:
                    await waiter.wait(stopping, POLL_S)

    async def run_group(self, receiver: QueuedReceiver, rows: Sequence[Claimed]) -> None:
        """Run the receiver once on these rows and settle them, whatever happens.

        In a task of its own: what is logged in it tells of these events.
        """
        bind_contextvars(receiver=receiver.name)
        began = time.perf_counter()
        events: Sequence[Event[Contract]] = ()
        outcome: RunOutcome = "lost"
        try:
            events, rows = await self._decoded(receiver, rows)
            if rows:
                bind_contextvars(**named(rows))
                await self._run(receiver, events, rows)
                outcome = "done"
                self._done.add(receiver.name, rows, time.perf_counter() - began)
        except LeaseLost:
            log.warning("lease lost, work undone")
        except (Malformed, Park) as error:
            if len(rows) > 1:  # It is about one of them, which says so again when it comes alone.
                outcome = await self._failed(rows, error)
            else:
                outcome = await self._park(rows, str(error) or "the receiver parked it")
        except asyncio.CancelledError:
            if await self._settle(self._inbox.hand_back(rows)):
                outcome = "handed_back"
                log.info("handed back")
            raise
        # Whatever a receiver raises is its failure, not ours: it is retried, then parked.
        except Exception as error:  # noqa: BLE001
            outcome = await self._failed(rows, error)
        finally:
            if rows:
                self._on_run(receiver.name, outcome, time.perf_counter() - began, events)

    async def _decoded(
        self, receiver: QueuedReceiver, rows: Sequence[Claimed]
    ) -> tuple[list[Event[Contract]], list[Claimed]]:
        """Read the rows' events, and park those that another release accepted and we do not.

        What came in a later version than ours stays for the workers of the release that accepted
        it: while releases are replaced, both run.
        """
        events, readable = [], []
        for row in rows:
            try:
                events.append(decode_for(row.headers, row.body, receiver.kind))
            except LaterVersion as error:
                reason = f"waits for a newer release: {error}"
                if await self._settle(self._inbox.postpone([row], reason, NEWER_S)):
                    log.debug("postponed", reason=reason, **named([row]))
            except Malformed as error:
                await self._park([row], f"malformed: {error}", **named([row]))
            else:
                readable.append(row)
        return events, readable

    async def _run(
        self,
        receiver: QueuedReceiver,
        events: Sequence[Event[Contract]],
        rows: Sequence[Claimed],
    ) -> None:
        inbox = self._inbox
        if not _asks_for_session(receiver):
            async with asyncio.timeout(LEASE_S - 5.0):
                await _call(receiver, events, inbox.database.collaborators)
            crash_point("worker.in_receiver")
            if not await self._marks.submit(rows):
                raise LeaseLost("another worker has taken the event over")
            return
        # The transaction may not outlive the lease: after it another worker does the same.
        async with asyncio.timeout(LEASE_S - 5.0), inbox.database.transaction() as session:
            session.traceparent = events[0].traceparent
            await _call(receiver, events, session.collaborators)
            await session.flush()
            crash_point("worker.in_receiver")
            await inbox.finish(session, rows)

    async def _mark(self, groups: Sequence[Sequence[Claimed]]) -> list[bool]:
        """Mark rows done whose receiver had no transaction; tell of which groups all were ours."""
        ours = await self._inbox.finish_all([row for rows in groups for row in rows])
        return [all(row.id in ours for row in rows) for rows in groups]

    async def _failed(self, rows: Sequence[Claimed], error: Exception) -> RunOutcome:
        reason = printable(f"{type(error).__name__}: {error}", REASON_LENGTH)
        attempt = max(row.attempts for row in rows)
        log.warning("receiver failed", reason=reason, exc_info=error)
        if attempt >= self._retries.attempts:
            return await self._park(rows, reason)
        delay = self._retries.delay(attempt)
        if not await self._settle(self._inbox.retry(rows, reason, delay)):
            return "lost"
        again = datetime.now(UTC) + timedelta(seconds=delay)
        log.info("retried", reason=reason, again_at=again.isoformat(timespec="milliseconds"))
        return "retried"

    async def _park(self, rows: Sequence[Claimed], reason: str, **about: object) -> RunOutcome:
        if not await self._settle(self._inbox.park(rows, reason)):
            return "lost"
        log.warning("parked", reason=reason, **about)
        return "parked"

    @staticmethod
    async def _settle(settling: Coroutine[Any, Any, None]) -> bool:
        """Record an outcome; False if that fails too: the lease runs out and the row comes back."""
        try:
            await settling
        except (LeaseLost, DatabaseUnavailable) as error:
            log.warning("outcome not recorded", reason=str(error))
            return False
        return True


@asynccontextmanager
async def _finishing(running: AbstractSet[asyncio.Task[None]]) -> AsyncIterator[None]:
    """Let what still runs finish at the end of the block; cancel it if the block is cancelled."""
    try:
        yield
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        raise
    finally:
        await asyncio.gather(*running, return_exceptions=True)


async def _room_for(count: int, running: AbstractSet[asyncio.Task[None]]) -> None:
    """Wait until so many of all that run are done, but not for long once the first one is.

    A claim costs as much as several events; places must not stay empty for slow ones.
    """
    enough = len(running) - count
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHER_S):
            while len(running) > enough:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)


def _asks_for_session(receiver: QueuedReceiver) -> bool:
    """Whether what it does is part of a transaction, the one that marks its event done."""
    return AsyncSession in receiver.needs or Session in receiver.needs


async def _call(
    receiver: QueuedReceiver, events: Sequence[Event[Contract]], collaborators: Collaborators
) -> None:
    handed: list[Any] = [collaborators[kind] for kind in receiver.needs]
    answer = receiver.function(events if receiver.batch else events[0], *handed)
    if asyncio.iscoroutine(answer):
        await answer


def _groups(receiver: QueuedReceiver, claimed: Sequence[Claimed]) -> list[Sequence[Claimed]]:
    """Decide which rows run in one call: a batch's fresh ones; what failed before runs alone."""
    if receiver.batch is None:
        return [[row] for row in claimed]
    fresh = [row for row in claimed if row.attempts == 1]
    return [*([fresh] if fresh else []), *[[row] for row in claimed if row.attempts > 1]]
