"""Locks that a migration waits for: never long at a time, not for ever, and told by whom held.

Behind a statement that waits for a table all traffic of that table waits. So it waits for
`LOCK_TIMEOUT_MS`, then is undone and tried again after a growing pause. What builds an index
concurrently waits without a limit of its own, for nobody waits behind that.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph.database.database import Database
from heliograph.errors import DatabaseUnavailable, MigrationBlocked
from heliograph.waiting import Retries, leave

PATIENCE_S = 600.0
"""How long a migration may wait for locks altogether."""
LOOK_EVERY_S = 0.25
TELL_EVERY_S = 10
UNSEEN_S = 30.0
"""A server that gives no answer on another connection for this long is away."""

_PAUSES = Retries(first=1.0, longest=15.0)
_IN_THE_WAY = ("55P03", "40P01")
"""How PostgreSQL says that a lock did not come in time, and that there is a deadlock."""

_BLOCKING = text("""
SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::float
FROM unnest(pg_blocking_pids(:pid)) AS blocking (pid) LEFT JOIN pg_stat_activity USING (pid)
ORDER BY xact_start
""")

_TAKE = text("SELECT pg_try_advisory_lock(hashtext(:name))")
_TAKEN_BY = text("""
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND objid::bigint = hashtext(:name)::bigint & 4294967295
""")

log = structlog.stdlib.get_logger(__name__)


async def until_alone(connection: AsyncConnection, name: str) -> None:
    """Take the lock of this name for as long as the connection lasts; wait while another has it.

    By asking again: who waits within a statement would keep the other from ever building an
    index, for that waits for all statements that are under way.
    """
    for waited in itertools.count():
        if await connection.scalar(_TAKE, {"name": name}):
            await connection.rollback()
            return
        if waited % TELL_EVERY_S == 0:
            pids = list(await connection.scalars(_TAKEN_BY, {"name": name}))
            log.warning("another migrate is at work, this one waits", pids=pids, waited_s=waited)
        await connection.rollback()
        await asyncio.sleep(1.0)


class LockWait:
    """What one `migrate` waits for others' locks, all its attempts together."""

    def __init__(self, service: str, database: Database) -> None:
        self._service = service
        self._database = database
        self._waited = 0.0
        self._held_by = "others"
        self._told = time.monotonic()

    async def insist(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Repeat what undoes itself while others hold locks that it needs.

        Raises `MigrationBlocked` once all waiting together took `PATIENCE_S`.
        """
        tries = 0
        while True:
            began = time.monotonic()
            try:
                return await attempt()
            except DBAPIError as error:
                if not _is_in_the_way(error):
                    raise
                if self._database.is_sqlite:
                    # Nothing was done before the one lock that there is.
                    self._waited += time.monotonic() - began
                    self._held_by = "another program that writes"
                tries += 1
                pause = _PAUSES.delay(tries)
                self._waited += pause
                self._check(error)
            self._tell(again_in_s=round(pause, 1))
            await asyncio.sleep(pause)

    async def watch(self, pid: int, work: Awaitable[None]) -> None:
        """Await what the server's process `pid` does for us, and see whom it waits for.

        Cancels it and raises `MigrationBlocked` when that took too long, `DatabaseUnavailable`
        when the server is no longer seen.
        """
        working, watching = asyncio.ensure_future(work), asyncio.create_task(self._look(pid))
        try:
            ended, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leave(working)
            leave(watching)
            await asyncio.wait({working, watching})
        if working not in ended:
            # Whatever the work made of its cancellation, this is why it ended.
            watching.result()
        working.result()

    async def _look(self, pid: int) -> None:
        seen = time.monotonic()
        while True:
            began = time.monotonic()
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                async with self._database.reading() as session:
                    holders = (await session.execute(_BLOCKING, {"pid": pid})).all()
            except DatabaseUnavailable:
                if time.monotonic() - seen > UNSEEN_S:
                    raise
                continue
            seen = time.monotonic()
            if holders:
                self._held_by = ", ".join(_holder(*each) for each in holders)
                self._waited += seen - began
                self._check()
                if seen - self._told > TELL_EVERY_S:
                    self._tell()

    def _check(self, error: Exception | None = None) -> None:
        if self._waited > PATIENCE_S:
            raise MigrationBlocked(
                f"the database of the {self._service} is not migrated: {self._held_by} kept a lock "
                f"that it needs, for {PATIENCE_S:.0f} s; end that and run `migrate` again"
            ) from error

    def _tell(self, **more: object) -> None:
        self._told = time.monotonic()
        log.warning(
            "the migration waits for a lock", held_by=self._held_by,
            waited_s=round(self._waited, 1), **more,
        )  # fmt: skip


def _is_in_the_way(error: DBAPIError) -> bool:
    if isinstance(error, OperationalError):
        return "locked" in str(error.orig)
    return getattr(error.orig, "sqlstate", None) in _IN_THE_WAY


def _holder(pid: int, program: str | None, state: str | None, seconds: float | None) -> str:
    since = "" if seconds is None else f" for {seconds:.0f} s"
    return f"pid {pid} ({program or 'unnamed'}, {state or 'unknown'}{since})"
