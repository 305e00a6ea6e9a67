"""Events set aside because they kept failing: what an operator sees of them, and may do."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, and_, func, select, update

from heliograph.database import Bell, Database, database_now
from heliograph.errors import HeliographError
from heliograph.inbox.failures import Failure, read_failures
from heliograph.inbox.table import is_parked
from heliograph.text import readable

STEP = 1000
"""Events that one transaction redrives or discards."""
NAMED = 20
"""Most events that an error names."""


class NotWhole(HeliographError):
    """Only the beginning of an event was kept: it cannot run again, it can be discarded."""

    def __init__(self, ids: Collection[int]) -> None:
        self.ids = tuple(sorted(ids))
        named = ", ".join(map(str, self.ids[:NAMED]))
        super().__init__(
            f"only the beginning was kept of what is parked under {named}"
            + (" and others" if len(self.ids) > NAMED else "")
            + ": it cannot be redriven, discard it"
        )


@dataclass(frozen=True, slots=True)
class Parked:
    """An event set aside, as an operator sees it in a list."""

    id: int
    receiver: str
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    received_at: datetime
    parked_at: datetime
    size: int | None
    """Bytes of headers and body together, where only the beginning of them is kept; else None."""


@dataclass(frozen=True, slots=True)
class ParkedInFull(Parked):
    """An event set aside, with what is kept of the message."""

    headers: dict[str, object]
    body: str
    """The body as text; base64 with the prefix `base64:` if it is not UTF-8."""
    failures: tuple[Failure, ...]
    """Why its last attempts came to nothing, the oldest first."""


class ParkedRows:
    """The parked rows of one service's inbox."""

    def __init__(self, database: Database, table: Table, bell: Bell) -> None:
        self._database = database
        self._table = table
        self._bell = bell

    async def page(self, *, limit: int = 100, after: int = 0) -> list[Parked]:
        """Return them by id, beginning behind `after`."""
        table = self._table
        async with self._database.reading() as session:
            rows = await session.execute(
                select(*_listed(table))
                .where(is_parked(table), table.c.id > after)
                .order_by(table.c.id)
                .limit(limit)
            )
            return [Parked(**row) for row in rows.mappings()]

    async def show(self, id: int) -> ParkedInFull | None:
        """One parked event, or None if there is none under that id."""
        table = self._table
        async with self._database.reading() as session:
            rows = await session.execute(
                select(*_listed(table), table.c.headers, table.c.body, table.c.failures).where(
                    table.c.id == id, is_parked(table)
                )
            )
            row = rows.mappings().one_or_none()
        return None if row is None else _in_full(row)

    async def redrive(self, ids: Collection[int] | None) -> int:
        """Let them run again from the first attempt, all that can if `ids` is None.

        They go before the later events of their subject, in order. Returns how many. Raises
        `NotWhole`, and lets none run, if only the beginning was kept of one that is named.
        """
        table = self._table
        whole = table.c.size.is_(None)
        if ids is not None:
            async with self._database.reading() as session:
                cut = await session.scalars(
                    select(table.c.id).where(is_parked(table), table.c.id.in_(tuple(ids)), ~whole)
                )
                if found := cut.all():
                    raise NotWhole(found)
        again = {"state": "pending", "attempts": 0, "reason": None, "due_at": database_now()}
        return await self._release(ids, whole, **again)

    async def discard(self, ids: Collection[int] | None) -> int:
        """Give them up, all of them if `ids` is None; returns how many."""
        return await self._release(ids, state="discarded", finished_at=database_now())

    async def _release(
        self, ids: Collection[int] | None, *conditions: ColumnElement[bool], **values: object
    ) -> int:
        """By steps, each committed by itself: however many there are, no statement is long."""
        table = self._table
        parked = and_(is_parked(table), *conditions)
        if ids is not None:
            parked = and_(parked, table.c.id.in_(tuple(ids)))
        released, last = 0, 0
        async with self._database.reading() as session:
            # Those that are parked again meanwhile are not meant.
            newest = await session.scalar(select(func.max(table.c.id)).where(parked)) or 0
        while True:
            step = (
                select(table.c.id)
                .where(parked, table.c.id > last, table.c.id <= newest)
                .order_by(table.c.id)
                .limit(STEP)
            )
            async with self._database.transaction() as session:
                chosen = (await session.scalars(step.with_for_update())).all()
                if chosen:
                    await session.execute(
                        update(table).where(table.c.id.in_(chosen), parked).values(**values)
                    )
            if not chosen:
                return released
            released, last = released + len(chosen), chosen[-1]
            self._bell.ring()


def _listed(table: Table) -> list[ColumnElement[Any]]:
    """What `Parked` has: no headers and no body, which may be large."""
    columns = table.c
    return [
        *(columns[name] for name in ("id", "receiver", "event_id", "subject", "routing_key")),
        columns.attempts,
        func.coalesce(columns.reason, "").label("reason"),
        columns.received_at,
        columns.due_at.label("parked_at"),
        columns.size,
    ]


def _in_full(row: RowMapping) -> ParkedInFull:
    fields: dict[str, Any] = {**row}
    # Earlier releases wrote NaN as it is.
    headers = json.loads(fields["headers"], parse_constant=str)
    failures = read_failures(fields.pop("failures"))
    body = readable(fields.pop("body"))
    return ParkedInFull(**fields | {"headers": headers, "body": body, "failures": failures})
