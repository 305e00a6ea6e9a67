"""Events set aside because they kept failing: what an operator sees of them, and may do."""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, and_, func, select, update

from heliograph.database import Bell, Database, database_now
from heliograph.inbox.table import is_parked

STEP = 1000
"""Events that one transaction redrives or discards."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event set aside, as an operator sees it."""

    id: int
    receiver: str
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    received_at: datetime
    parked_at: datetime
    headers: dict[str, object]
    body: str
    """The body as text; base64 with the prefix `base64:` if it is not UTF-8."""


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
                select(table)
                .where(is_parked(table), table.c.id > after)
                .order_by(table.c.id)
                .limit(limit)
            )
            return [_parked(row) for row in rows]

    async def show(self, id: int) -> Parked | None:
        """One parked event, or None if there is none under that id."""
        table = self._table
        async with self._database.reading() as session:
            rows = await session.execute(select(table).where(table.c.id == id, is_parked(table)))
            row = rows.first()
        return None if row is None else _parked(row)

    async def redrive(self, ids: Collection[int] | None) -> int:
        """Let them run again from the first attempt, all of them if `ids` is None.

        They go before the later events of their subject, in order. Returns how many.
        """
        return await self._release(
            ids, state="pending", attempts=0, reason=None, due_at=database_now()
        )

    async def discard(self, ids: Collection[int] | None) -> int:
        """Give them up, all of them if `ids` is None; returns how many."""
        return await self._release(ids, state="discarded", finished_at=database_now())

    async def _release(self, ids: Collection[int] | None, **values: object) -> int:
        """By steps, each committed by itself: however many there are, no statement is long."""
        table = self._table
        parked = is_parked(table)
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


def _parked(row: Row[Any]) -> Parked:
    try:
        body = row.body.decode()
    except UnicodeDecodeError:
        body = "base64:" + base64.b64encode(row.body).decode()
    return Parked(
        id=row.id,
        receiver=row.receiver,
        event_id=row.event_id,
        subject=row.subject,
        routing_key=row.routing_key,
        attempts=row.attempts,
        reason=row.reason or "",
        received_at=row.received_at,
        parked_at=row.due_at,
        headers=json.loads(row.headers),
        body=body,
    )
