"""What each receiver did with an event, as long as the inbox remembers it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, Text, bindparam, case, exists, func, select

from heliograph.database import Database, among
from heliograph.inbox.failures import Failure, read_failures
from heliograph.inbox.leases import is_leased, waits_for_retry
from heliograph.inbox.table import is_open, is_parked

HandlingState = Literal["pending", "held", "running", "done", "parked", "discarded"]
"""`held`: behind a parked event of its subject. `running`: a worker has it on a lease that has not
ended. Both are stored as `pending`, and derived."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How far one receiver is with an event."""

    receiver: str
    state: HandlingState
    attempts: int
    """Those that count: since it was redriven, and without one that its program broke off."""
    accepted_at: datetime
    started_at: datetime | None
    """When the last attempt began, whether it counts or not; None before the first."""
    finished_at: datetime | None
    """When it was done or discarded."""
    reason: str | None
    """Why it is parked or was discarded, or what the last attempt failed of."""
    failures: tuple[Failure, ...]
    """The last ones, the oldest first; redriving keeps them."""


@dataclass(frozen=True, slots=True)
class Failing:
    """An event whose last attempt failed, and that runs again by itself."""

    receiver: str
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    again_at: datetime


class Handlings:
    """Looks events up in one inbox; `unordered` names receivers without an order."""

    def __init__(self, database: Database, table: Table, unordered: Collection[str]) -> None:
        self._database = database
        self._table = table
        self._query = query_of(table, unordered)

    async def of(self, event_id: str) -> list[Handling]:
        """Tell of each receiver that has got the event, by its name.

        Receivers that the service no longer has are among them.
        """
        async with self._database.reading() as session:
            rows = await session.execute(self._query, {_EVENT_ID.key: event_id})
            return [
                Handling(**{**row, "failures": read_failures(row["failures"])})
                for row in rows.mappings()
            ]

    async def failing(self, limit: int) -> list[Failing]:
        """Tell of events that failed and run again by themselves, first who failed most often."""
        columns = self._table.c
        query = (
            select(
                *(columns[name] for name in ("receiver", "event_id", "subject", "routing_key")),
                columns.attempts,
                columns.reason,
                columns.due_at.label("again_at"),
            )
            # Said twice, so that the index of what is open gives the rows.
            .where(is_open(self._table), waits_for_retry(self._table))
            .order_by(columns.attempts.desc(), columns.id)
            .limit(limit)
        )
        async with self._database.reading() as session:
            return [Failing(**row) for row in (await session.execute(query)).mappings()]


_EVENT_ID = bindparam("event", type_=Text())


def query_of(table: Table, unordered: Collection[str]) -> Select[Any]:
    """What is known of the event `event`, a row a receiver."""
    columns = table.c
    return (
        select(
            columns.receiver,
            _state(table, unordered).label("state"),
            columns.attempts,
            columns.received_at.label("accepted_at"),
            columns.started_at,
            columns.finished_at,
            columns.reason,
            columns.failures,
        )
        .where(among(columns.receiver, _receivers(table)), columns.event_id == _EVENT_ID)
        .order_by(columns.receiver)
    )


def _receivers(table: Table) -> Select[Any]:
    """Each receiver that has rows: found by stepping through the index that begins with it.

    The index gives an event of a receiver; without these it would give nothing.
    """
    each = table.alias("each")
    walk = select(func.min(each.c.receiver).label("receiver")).cte("walk", recursive=True)
    following = select(func.min(each.c.receiver)).where(each.c.receiver > walk.c.receiver)
    walk = walk.union_all(
        select(following.correlate(walk).scalar_subquery()).where(walk.c.receiver.is_not(None))
    )
    return select(walk.c.receiver).where(walk.c.receiver.is_not(None))


def _state(table: Table, unordered: Collection[str]) -> ColumnElement[str]:
    earlier = table.alias("earlier")
    behind_parked = exists().where(
        # Said twice, so that the index of what is open gives the rows of the subject.
        is_open(earlier),
        is_parked(earlier),
        earlier.c.receiver == table.c.receiver,
        earlier.c.subject == table.c.subject,
        earlier.c.id < table.c.id,
    )
    return case(
        (table.c.state != "pending", table.c.state),
        (is_leased(table), "running"),
        (table.c.receiver.not_in(tuple(unordered)) & behind_parked, "held"),
        else_="pending",
    )
