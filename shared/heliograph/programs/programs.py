"""The programs of one service: a row a process, which the process itself keeps fresh.

One that is killed falls silent; all moments are by the database's clock.
"""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, select

from heliograph.database import Database, database_now, upsert
from heliograph.events import new_id
from heliograph.text import printable

UP_WITHIN_S = 30.0
"""Who has been silent for longer is not up."""

KEEP_S = 86_400.0
"""Rows of those who fell silent are kept for a day, for who looks into the database."""

WHY_LENGTH = 500


def _name() -> str:
    return printable(f"{socket.gethostname()}:{os.getpid()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """This process, as others are told of it."""

    roles: Sequence[str]
    version: str
    """Of the service."""
    name: str = field(default_factory=_name)
    """For people: host and process id. In containers two can have the same."""
    id: UUID = field(default_factory=new_id)
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Running:
    """A program that is up, as it told last."""

    name: str
    roles: Sequence[str]
    version: str
    started_at: datetime
    seen_at: datetime
    ready: bool
    why: str | None
    """What does not work, in one line; one that is ready does its job in spite of it."""


class Programs:
    """The programs of one service, in its database. All raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    async def renew(self, process: Process, *, ready: bool, why: str | None) -> None:
        """Say that the process is up; the first time, or if that was forgotten, who it is."""
        now = {
            "seen_at": database_now(),
            "ready": ready,
            "why": None if why is None else printable(" ".join(why.split()), WHY_LENGTH),
        }
        async with self._database.transaction() as session:
            await session.execute(
                upsert(session, self._table)
                .values(
                    id=process.id,
                    name=process.name,
                    roles=list(process.roles),
                    version=process.version,
                    started_at=database_now(process.began - time.monotonic()),
                    **now,
                )
                .on_conflict_do_update(index_elements=["id"], set_=now)
            )

    async def leave(self, process: Process) -> None:
        """Say that the process is up no longer."""
        async with self._database.transaction() as session:
            await session.execute(delete(self._table).where(self._table.c.id == process.id))

    async def running(self) -> list[Running]:
        """The programs that were up within `UP_WITHIN_S`; first who has been for the longest."""
        c = self._table.c
        async with self._database.reading() as session:
            rows = await session.execute(
                select(c.name, c.roles, c.version, c.started_at, c.seen_at, c.ready, c.why)
                .where(c.seen_at > database_now(-UP_WITHIN_S))
                .order_by(c.started_at, c.id)
            )
            return [Running(*row) for row in rows]

    async def prune(self) -> int:
        """Forget those that have been silent for `KEEP_S`; returns their number."""
        silent = delete(self._table).where(self._table.c.seen_at < database_now(-KEEP_S))
        async with self._database.transaction() as session:
            result = await session.execute(silent)
            return result.rowcount  # type: ignore[attr-defined, no-any-return]
