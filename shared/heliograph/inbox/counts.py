"""How many events an inbox has in each state, told without reading all that it remembers.

Rows that wait are counted. Those that are finished are by far the most, seven days of them, and are
only remembered: on PostgreSQL a share of the table's pages tells of them, all while it is small.
"""

from collections.abc import Collection

from sqlalchemy import Float as FloatType
from sqlalchemy import Integer, Select, Table, and_, bindparam, cast, func, select, text
from sqlalchemy.sql.expression import case

from heliograph.database import Database
from heliograph.inbox.table import is_open

SAMPLED_PAGES = 10_000
"""Most pages of the table that are read to estimate what is finished: 80 MB, half a second."""

_PAGES = text(
    "SELECT pg_relation_size(CAST(:name AS regclass)) / current_setting('block_size')::int"
)


class Counts:
    """Counts the rows of one inbox; `unordered` names receivers without an order."""

    def __init__(self, database: Database, table: Table, unordered: Collection[str]) -> None:
        self._database = database
        self._table = table
        self._waiting = _waiting(table, unordered)
        self._finished = _finished(table, sampled=not database.is_sqlite)

    async def by_state(self) -> dict[tuple[str, str], int]:
        """Count by receiver and state."""
        async with self._database.reading() as session:
            share = {} if self._database.is_sqlite else {"share": 1.0}
            if share:
                pages = await session.scalar(_PAGES, {"name": self._table.name})
                share["share"] = min(1.0, SAMPLED_PAGES / max(pages or 0, 1))
            rows = [*await session.execute(self._waiting)]
            rows += await session.execute(self._finished, share)
        return {(receiver, state): count for receiver, state, count in rows}


def _waiting(table: Table, unordered: Collection[str]) -> Select[str, str, int]:
    parked = (
        select(table.c.receiver, table.c.subject, func.min(table.c.id).label("first"))
        .where(table.c.state == "parked", is_open(table), table.c.receiver.not_in(unordered))
        .group_by(table.c.receiver, table.c.subject)
        .subquery()
    )
    same = and_(table.c.receiver == parked.c.receiver, table.c.subject == parked.c.subject)
    held = and_(table.c.state == "pending", table.c.id > parked.c.first)
    state = case((held, "held"), else_=table.c.state)
    return (
        select(table.c.receiver, state, func.count())
        .select_from(table.outerjoin(parked, same))
        .where(is_open(table))
        .group_by(table.c.receiver, state)
    )


def _finished(table: Table, *, sampled: bool) -> Select[str, str, int]:
    share = bindparam("share", type_=FloatType())
    rows = table.tablesample(func.system(share * 100)) if sampled else table
    found = cast(func.round(func.count() / share), Integer) if sampled else func.count()
    return (
        select(rows.c.receiver, rows.c.state, found)
        .where(rows.c.finished_at.is_not(None))
        .group_by(rows.c.receiver, rows.c.state)
    )
