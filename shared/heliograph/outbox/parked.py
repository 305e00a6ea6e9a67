"""Events set aside because the bus will not have them: what an operator sees, and may do."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Table, func, null, select, update

from heliograph.database import Bell, Database, database_now
from heliograph.text import readable

SHOWN_BYTES = 64 * 1024
"""Of a body: what is larger is cut where it is shown."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event set aside."""

    id: int
    event_id: str
    subject: str
    routing_key: str
    attempts: int
    reason: str
    bytes: int
    """Of its body."""
    created_at: datetime
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class ParkedInFull(Parked):
    """An event set aside, with the message as it would leave."""

    headers: dict[str, object]
    body: str
    """As text, the first `SHOWN_BYTES` of it; base64 with the prefix `base64:` if not UTF-8."""


class ParkedRows:
    """The parked rows of one service's outbox.

    What is decided here is done by a relay: it alone moves rows, so that none is forgotten
    behind one that has just gone.
    """

    def __init__(self, database: Database, table: Table, bell: Bell) -> None:
        self._database = database
        self._table = table
        self._bell = bell
        c = table.c
        self._columns: Sequence[ColumnElement[Any]] = (
            c.id, c.event_id, c.subject, c.routing_key, c.attempts, func.coalesce(c.reason, ""),
            func.length(c.body), c.created_at, c.parked_at,
        )  # fmt: skip

    async def page(self, *, limit: int = 100, after: int = 0) -> list[Parked]:
        """Return them by id, beginning behind `after`."""
        c = self._table.c
        async with self._database.reading() as session:
            rows = await session.execute(
                select(*self._columns)
                .where(c.parked_at.is_not(None), c.id > after)
                .order_by(c.id)
                .limit(limit)
            )
            return [Parked(*row) for row in rows]

    async def show(self, id: int) -> ParkedInFull | None:
        """One parked event, or None if there is none under that id."""
        c = self._table.c
        shown = select(*self._columns, c.headers, func.substr(c.body, 1, SHOWN_BYTES))
        async with self._database.reading() as session:
            found = await session.execute(shown.where(c.parked_at.is_not(None), c.id == id))
            row = found.first()
        return None if row is None else _in_full(*row)

    async def redrive(self, ids: Collection[int] | None) -> int:
        """Let them be published again, all of them if `ids` is None; returns how many.

        They go before the later events of their subject, in order.
        """
        return await self._release(ids, attempts=0, reason=null())

    async def discard(self, ids: Collection[int] | None) -> int:
        """Give them up, all of them if `ids` is None; returns how many.

        They are never published. The later events of their subject go, in order.
        """
        return await self._release(ids, discarded_at=database_now())

    async def _release(self, ids: Collection[int] | None, **values: object) -> int:
        c = self._table.c
        statement = (
            update(self._table)
            .where(c.parked_at.is_not(None))
            .values(parked_at=null(), due_at=database_now(), **values)
        )
        if ids is not None:
            statement = statement.where(c.id.in_(tuple(ids)))
        async with self._database.transaction() as session:
            released: int = (await session.execute(statement)).rowcount  # type: ignore[attr-defined]
        self._bell.ring()
        return released


def _in_full(*columns: Any) -> ParkedInFull:
    *fields, headers, start = columns
    body = start or b""  # SQLite makes NULL of no bytes
    parked = Parked(*fields)
    text = readable(body, whole=len(body) == parked.bytes)
    return ParkedInFull(**asdict(parked), headers=from_json(headers), body=text)
