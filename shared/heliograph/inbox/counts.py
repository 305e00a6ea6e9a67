"""How many events an inbox has in each state, told without reading all that it remembers.

Rows that wait are counted. Those that are finished are by far the most, seven days of them, and are
only remembered: on PostgreSQL a share of the table's pages tells of them, all while it is small.
"""

from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Float,
    Integer,
    Select,
    Table,
    bindparam,
    cast,
    func,
    literal,
    select,
    text,
    union_all,
)

from heliograph.database import Database, database_now
from heliograph.inbox.table import is_open, is_parked

SAMPLED_PAGES = 10_000
"""Most pages of the table that are read to estimate what is finished: 80 MB, half a second."""

_OPEN = "open"
"""Pending, held or parked."""

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
            counts = {
                (receiver, state): count
                for query in (self._waiting, self._finished)
                for receiver, state, count in await session.execute(query, share)
            }
        for receiver in {receiver for receiver, state in counts if state == _OPEN}:
            waiting = counts.pop((receiver, _OPEN))
            others = (counts.get((receiver, state), 0) for state in ("parked", "held"))
            counts[(receiver, "pending")] = waiting - sum(others)
        return {key: count for key, count in counts.items() if count}

    async def oldest(self, receivers: Collection[str]) -> dict[str, float]:
        """By receiver, the age of its first pending row in seconds; 0 if there is none."""
        c = self._table.c
        first = [
            select(c.received_at)
            .where(c.receiver == receiver, is_open(self._table), c.state == "pending")
            .order_by(c.receiver, c.id)
            .limit(1)
            .scalar_subquery()
            for receiver in receivers
        ]
        async with self._database.reading() as session:
            now, *since = (await session.execute(select(database_now(), *first))).one()
        return {
            receiver: 0.0 if moment is None else max((now - moment).total_seconds(), 0.0)
            for receiver, moment in zip(receivers, since, strict=True)
        }


def _waiting(table: Table, unordered: Collection[str]) -> CompoundSelect[str, str, int]:
    """Count all that wait, those that are parked, and those that are held behind them.

    Indexes tell all of it.
    """
    parked = (
        select(
            table.c.receiver,
            table.c.subject,
            func.min(table.c.id).label("first"),
            func.count().label("rows"),
        )
        .where(is_parked(table))
        .group_by(table.c.receiver, table.c.subject)
        .cte("parked")
    )
    behind = table.alias("behind")
    held = (
        select(func.count())
        .where(
            is_open(behind),
            behind.c.receiver == parked.c.receiver,
            behind.c.subject == parked.c.subject,
            behind.c.id > parked.c.first,
        )
        .scalar_subquery()
    )
    return union_all(
        select(table.c.receiver, literal(_OPEN), func.count())
        .where(is_open(table))
        .group_by(table.c.receiver),
        select(parked.c.receiver, literal("parked"), _total(parked.c.rows)).group_by(
            parked.c.receiver
        ),
        select(parked.c.receiver, literal("held"), _total(held - parked.c.rows + 1))
        .where(parked.c.subject.is_not(None), parked.c.receiver.not_in(unordered))
        .group_by(parked.c.receiver),
    )


def _total(count: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(count), Integer)


def _finished(table: Table, *, sampled: bool) -> Select[str, str, int]:
    share = bindparam("share", type_=Float())
    rows = table.tablesample(func.system(share * 100)) if sampled else table
    found = cast(func.round(func.count() / share), Integer) if sampled else func.count()
    return (
        select(rows.c.receiver, rows.c.state, found)
        .where(rows.c.finished_at.is_not(None))
        .group_by(rows.c.receiver, rows.c.state)
    )
