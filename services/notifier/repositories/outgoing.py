"""Outgoing emails: the notifications that mail workers share among them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    Float,
    Integer,
    ScalarSelect,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute

from heliograph.database import Database, TableBacklog, database_now, statement_for
from heliograph.text import printable
from heliograph.waiting import LEASE_S
from services.notifier.models import Kind, Notification, Product, State, Subscription

GIVE_UP_S = 24 * 3600.0
"""Age at which an email that still cannot be sent has failed."""


class Due(NamedTuple):
    """An email that a worker may send until its lease ends.

    `token` is the fencing token: it grows with every claim, so that a worker that comes back
    after its lease cannot overwrite what another has recorded.
    """

    id: int
    token: int
    attempts: int
    """Those before this one."""
    email: str
    event_id: UUID
    subscription_id: UUID
    created_at: datetime
    topic: Kind
    product: str
    old_minor: int | None
    unsubscribe_token: str | None
    """None if the subscription has ended: the email is no longer wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of an email; one that is `pending` is to be tried again in `delay` seconds."""

    email: Due
    state: State
    reason: str | None = None
    delay: float = 0.0


# The table, because the ORM's own UPDATE costs as much again as the database's.
_table = cast("Table", Notification.__table__)
_columns = _table.c

# Spelled with a literal, so that the partial index matches whatever the plan.
_pending = _columns.state == literal_column("'pending'")

# A subquery in its place could be run again for each row (and lock ever more of them).
_chosen = (
    select(_columns.id)
    .where(_pending, _columns.due_at <= database_now())
    .order_by(_columns.due_at, _columns.id)
    .limit(bindparam("at_most", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("chosen")
)


# As text, for in SQLite's RETURNING SQLAlchemy names columns without their tables, and in a
# subquery such a name is one of the subquery's own.
_product_id = literal_column("notification.product_id", Uuid())
_subscription_id = literal_column("notification.subscription_id", Uuid())


def _of_product(column: InstrumentedAttribute[Any]) -> ScalarSelect[Any]:
    return select(column).where(Product.id == _product_id).scalar_subquery()


# Subqueries, for SQLite returns no columns of a table that is joined.
_CLAIM = (
    update(_table)
    .where(_columns.id.in_(select(_chosen.c.id)))
    .values(token=_columns.token + 1, due_at=database_now(LEASE_S))
    .returning(
        _columns.id,
        _columns.token,
        _columns.attempts,
        _columns.email,
        _columns.event_id,
        _columns.subscription_id,
        _columns.created_at,
        _columns.topic,
        _of_product(Product.snapshot),
        _columns.old_minor,
        select(Subscription.token)
        .where(Subscription.id == _subscription_id, Subscription.wish.is_not(None))
        .scalar_subquery(),
    )
)

_new_state = bindparam("new_state", type_=Text())
_too_old = and_(_new_state == "pending", _columns.created_at < database_now(-GIVE_UP_S))
_RECORD = (
    update(_table)
    .where(
        _columns.id == bindparam("mine"),
        _columns.token == bindparam("my_token"),
        _pending,
    )
    .values(
        state=case((_too_old, "failed"), else_=_new_state),
        attempts=_columns.attempts + case((_new_state == "cancelled", 0), else_=1),
        reason=bindparam("new_reason"),
        due_at=database_now(bindparam("delay", type_=Float())),
        sent_at=case((_new_state == "sent", database_now())),
    )
)


class Outgoing:
    """The emails of one service that wait; each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claim = statement_for(database, _CLAIM)
        self._record = statement_for(database, _RECORD)
        self.backlog = TableBacklog(
            database,
            _table,
            unfinished=_pending,
            what="an email about " + _columns.topic + " to " + _columns.email,
            state=_columns.state,
            reason=_columns.reason,
            retried=_columns.attempts > 0,
        )

    async def claim(self, limit: int) -> list[Due]:
        """Lease up to `limit` emails that are due."""
        claimed = await self._claim.run(at_most=limit)
        return sorted((Due(*row) for row in claimed), key=lambda due: due.id)

    async def renew(self, emails: Collection[Due]) -> set[int]:
        """Begin the leases anew; returns the ids of the emails that are still ours."""
        return await self._lease(emails, LEASE_S)

    async def hand_back(self, emails: Collection[Due]) -> None:
        """Let others send these at once."""
        await self._lease(emails, 0.0)

    async def record(self, outcomes: Collection[Outcome]) -> None:
        """Write down what became of emails, but for those that another worker has taken over.

        Counts the attempts. An email to be tried again that is older than `GIVE_UP_S` has
        failed.
        """
        await self._record.run_each(
            [
                {
                    "mine": each.email.id,
                    "my_token": each.email.token,
                    "new_state": each.state,
                    "new_reason": _line(each.reason),
                    "delay": each.delay,
                }
                for each in outcomes
            ]
        )

    async def _lease(self, emails: Collection[Due], seconds: float) -> set[int]:
        mine = [(each.id, each.token) for each in emails]
        async with self._database.statement() as connection:
            ours = await connection.execute(
                update(_table)
                .where(tuple_(_columns.id, _columns.token).in_(mine), _pending)
                .values(due_at=database_now(seconds))
                .returning(_columns.id)
            )
            return set(ours.scalars())


def _line(reason: str | None) -> str | None:
    return None if reason is None else printable(reason, 500)
