"""Backlogs: work that is yet to be done, and what each piece of it waits for."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Column, ColumnElement, Table, and_, bindparam, null, select, update

from heliograph.database.database import Database
from heliograph.database.types import database_now

SHOWN = 100
"""Most pieces of work that one look brings back, the oldest ones."""


class Unfinished(NamedTuple):
    """A piece of work that is yet to be done."""

    what: str
    state: str
    attempts: int
    reason: str | None
    """What the last attempt failed of, or why there was none."""

    def __str__(self) -> str:
        tried = f"after {self.attempts} attempts" if self.attempts else "untried"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.what}, {self.state}, {tried}{why}"


class Backlog(Protocol):
    """Where work waits."""

    async def unfinished(self) -> Sequence[Unfinished]:
        """Look at what waits, the oldest first, at most `SHOWN` pieces."""


class TableBacklog:
    """Rows of a table that are work while they meet `unfinished`.

    `what` names a row, `attempts` counts. Those that also meet `retried` wait for `due_at`, the
    moment of their next attempt.
    """

    def __init__(
        self,
        database: Database,
        table: Table,
        *,
        unfinished: ColumnElement[bool],
        what: ColumnElement[str],
        state: ColumnElement[str],
        reason: ColumnElement[str | None] | None = None,
        retried: ColumnElement[bool] | None = None,
    ) -> None:
        self._database = database
        self._table = table
        self._unfinished = unfinished
        self._retried = retried
        self._query = (
            select(what, state, table.c.attempts, null() if reason is None else reason)
            .where(unfinished)
            .order_by(table.c.id)
            .limit(SHOWN)
        )

    async def unfinished(self) -> Sequence[Unfinished]:
        async with self._database.reading() as session:
            return [Unfinished(*row) for row in await session.execute(self._query)]

    async def hasten(self, by: timedelta) -> None:
        """Let every row that waits for its next attempt have it so much earlier."""
        if self._retried is None:
            return
        id_: Column[int] = self._table.c.id
        due_at = self._table.c.due_at
        waits = and_(self._unfinished, self._retried, due_at > database_now())
        async with self._database.transaction() as session:
            rows = (await session.execute(select(id_, due_at).where(waits).with_for_update())).all()
            if rows:
                connection = await session.connection()
                await connection.execute(
                    update(self._table)
                    .where(id_ == bindparam("row"))
                    .values(due_at=bindparam("moment", type_=due_at.type)),
                    [{"row": row, "moment": moment - by} for row, moment in rows],
                )
