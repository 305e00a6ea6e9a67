"""The statements of a claim, written for both databases."""

from typing import Any, cast

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Integer,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
    union_all,
    update,
)

from heliograph.database import UtcDateTime, database_now, unindexed
from heliograph.waiting import LEASE_S
from services.notifier.models import Notification
from services.notifier.sending.evidence import Waiting

LOCK = text("SELECT pg_advisory_xact_lock(hashtext('notifier.claims'))")
"""One claim at a time, until its transaction ends; SQLite has one writer."""

# The table, because the ORM's own UPDATE costs as much again as the database's.
_table = cast("Table", Notification.__table__)
_columns = _table.c
# Spelled with literals, so that the partial indexes match whatever the plan.
_pending = _columns.state == literal_column("'pending'")
_untold = and_(_pending, _columns.told_by.is_(None))
_waiting = [_columns[name] for name in Waiting._fields]

# As a subquery it is known before the index is read, which then ends there: a million may wait.
_now = select(database_now()).scalar_subquery()
_due = and_(_untold, _columns.due_at <= _now)
ANY = select(_columns.id).where(_due).limit(1)

_key = select(_columns.id, _columns.email, _columns.topic, _columns.product_id)


def _with_related(chosen: CTE) -> CompoundSelect[Any]:
    """Rows, and what belongs together with them: what they tell already, too."""
    row = select(*_waiting, database_now())
    news: ColumnElement[str] = literal_column("'new_product'")
    price: ColumnElement[str] = literal_column("'price_drop'")
    topic = chosen.c.topic
    # Each person once, however many rows were chosen: a thousand would find a thousand each.
    of_news = select(chosen.c.email).where(topic == news).distinct().subquery()
    keys = select(chosen.c.email, chosen.c.product_id).where(topic == price)
    of_price = keys.distinct().subquery()
    return union_all(
        row.where(_columns.id == chosen.c.id, topic.not_in((news, price))),
        row.where(
            _pending,
            _columns.topic == price,
            _columns.email == of_price.c.email,
            _columns.product_id == of_price.c.product_id,
        ),
        row.where(_pending, _columns.topic == news, _columns.email == of_news.c.email),
    )


DUE = _with_related(
    _key.where(_due)
    .order_by(_columns.due_at, _columns.id)
    .limit(bindparam("at_most", type_=Integer()))
    .with_for_update(skip_locked=True)
    .cte("chosen")
)
ONE = _with_related(_key.where(_columns.id == bindparam("mine")).cte("chosen"))

_by_id = and_(_columns.id == bindparam("mine"), unindexed(_columns.state) == "pending")
LEASE = (
    update(_table)
    .where(_by_id)
    .values(
        token=_columns.token + 1,
        due_at=database_now(LEASE_S),
        told_by=None,
        letter_id=bindparam("letter", type_=Uuid()),
        told_currency=bindparam("in_currency", type_=Text()),
        told_minor=bindparam("price", type_=BigInteger()),
        told_at=bindparam("date", type_=UtcDateTime()),
        tried_at=func.coalesce(_columns.tried_at, database_now()),
        secret=bindparam("link", type_=Text()),
        reason=None,
    )
)
LEASE_AGAIN = (
    update(_table).where(_by_id).values(token=_columns.token + 1, due_at=database_now(LEASE_S))
)
WAIT = (
    update(_table)
    .where(_by_id)
    .values(
        due_at=bindparam("until", type_=UtcDateTime()),
        reason=func.coalesce(bindparam("why", type_=Text()), _columns.reason),
        told_by=None,
    )
)
MERGE = update(_table).where(_by_id).values(told_by=bindparam("lead", type_=BigInteger()))
SETTLE = (
    update(_table)
    .where(_by_id)
    .values(
        state=bindparam("as", type_=Text()),
        reason=bindparam("why", type_=Text()),
        told_by=None,
        secret=None,
    )
)
SETTLE_TOLD = (
    update(_table)
    .where(_columns.told_by == bindparam("by"), _pending)
    .values(state=literal_column("'failed'"))
)
CHANGES = (LEASE, LEASE_AGAIN, WAIT, MERGE, SETTLE, SETTLE_TOLD)
