"""The statements that tell people of what happened, made once: that costs more than a run."""

from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)

from heliograph.database import Inserting, database_now, one_of
from services.notifier.models import Notification, Occasion, Spread, Subscription

_table = cast("Table", Subscription.__table__)
_subscription = _table.c
_notification = cast("Table", Notification.__table__).c
_wanted = _subscription.wish.is_not(None)
# Spelled with a literal, so that the partial index matches whatever the plan.
_instant = _subscription.frequency == literal_column("'instant'")

_EVENT = bindparam("event", type_=Uuid())
_TOPIC = bindparam("about", type_=Text())
_PRODUCT = bindparam("product", type_=Uuid())
_CURRENCY = bindparam("money", type_=Text())
_OLD = bindparam("old", type_=BigInteger())
_NEW = bindparam("new", type_=BigInteger())
_BEHIND = bindparam("behind", type_=Uuid())
_AT_MOST = bindparam("at_most", type_=Integer())


def values_of(news: Spread) -> dict[str, Any]:
    """What all statements here say of something that happened."""
    return {
        _EVENT.key: news.event_id,
        _TOPIC.key: news.topic,
        _PRODUCT.key: news.product_id,
        _CURRENCY.key: news.currency,
        _OLD.key: news.old_minor,
        _NEW.key: news.new_minor,
    }


def _watchers(place: ColumnElement[bool], how: ColumnElement[bool] = _instant) -> Select[Any]:
    """Ids of the next `at_most` who are told so, in the order of the index."""
    return (
        select(_subscription.id)
        .where(_wanted, how, _subscription.topic == _TOPIC, place)
        .order_by(_subscription.product_id, _subscription.id)
        .limit(_AT_MOST)
    )


# Both are a part of `ix_subscription_instant` in its own order, and are written so that PostgreSQL
# knows no other index that has it: not the ids' alone, in which watchers of everything stand.
WATCHERS_OF_ALL = _watchers(and_(_subscription.product_id.is_(None), _subscription.id > _BEHIND))
"""Those who watch no product in particular, behind an id."""
_of_product = and_(
    tuple_(_subscription.product_id, _subscription.id) > tuple_(_PRODUCT, _BEHIND),
    _subscription.product_id <= _PRODUCT,
)
WATCHERS_OF_PRODUCT = _watchers(_of_product)
"""Those who watch one product, behind an id."""

_at_once = WATCHERS_OF_PRODUCT.subquery()
# `ix_subscription_digested` has no ids: all of the product's are read for each part.
_by_digest = _watchers(
    and_(_of_product, _subscription.target_minor.is_not(None)),
    and_(_subscription.digest_at.is_not(None), ~_instant),
).subquery()
_either = union_all(select(_at_once.c.id), select(_by_digest.c.id)).subquery()
WAITING_FOR_PRODUCT = select(_either.c.id).order_by(_either.c.id).limit(_AT_MOST)
"""Those too who watch it by digest and wait for a price, behind an id."""


def _one_digest(place: ColumnElement[bool]) -> Any:
    # By the order of the index, for by a mere `EXISTS` PostgreSQL looks through the table for a
    # first one.
    return (
        select(_subscription.id)
        .where(_subscription.digest_at.is_not(None), _subscription.topic == _TOPIC, place)
        .order_by(_subscription.product_id)
        .limit(1)
        .scalar_subquery()
    )


IS_DIGESTED = select(
    func.coalesce(
        _one_digest(_subscription.product_id.is_(None)),
        # Between, since the order of what is equal is none.
        _one_digest(_subscription.product_id.between(_PRODUCT, _PRODUCT)),
    )
)
"""The id of a subscription to digests that are to tell of it, if there is one."""


@cache
def occasion(insert: Inserting) -> Insert:
    """Keep what happened for digests, once."""
    row = {
        "event_id": _EVENT,
        "topic": _TOPIC,
        "product_id": _PRODUCT,
        "currency": _CURRENCY,
        "old_minor": _OLD,
        "new_minor": _NEW,
        "happened_at": database_now(),
    }
    return insert(Occasion.__table__).values(row).on_conflict_do_nothing()


_met = and_(_subscription.currency == _CURRENCY, _subscription.target_minor >= _NEW)
_none = _subscription.target_minor.is_(None)
_REACHED = {
    "none": _none,
    "met": _met,
    "crossed": or_(_none, and_(_met, _subscription.target_minor < _OLD)),
}


# A value, which is looked up by the index: for an `EXISTS` PostgreSQL may read the whole ledger.
_TOLD_AS_IT_BEGAN = (
    select(_notification.id)
    .where(
        _notification.event_id == _subscription.id,
        _notification.email == _subscription.email,
        _notification.topic == _subscription.topic,
    )
    .correlate(_table)
    .scalar_subquery()
)


def watchers(news: Spread) -> Select[Any]:
    """Ids of the next `at_most` whom it concerns, `behind` an id."""
    if news.for_all:
        return WATCHERS_OF_ALL
    return WAITING_FOR_PRODUCT if _reached(news) == "met" else WATCHERS_OF_PRODUCT


def is_for_all_too(news: Spread) -> bool:
    """Whether those who watch all products are told as well: they wait for no price."""
    return _reached(news) != "met"


def _reached(news: Spread) -> str:
    """Which targets count: those that a lower price has crossed; if none fell, those it meets."""
    if news.new_minor is None:
        return "none"
    return "met" if news.old_minor is None else "crossed"


def notifications(insert: Inserting, news: Spread) -> Insert:
    """Write a row for each of these subscriptions whose target is reached, once an event."""
    return _notifications(insert, _reached(news))


@cache
def _notifications(insert: Inserting, reached: str) -> Insert:
    row: dict[str, Any] = {
        "event_id": _EVENT,
        "subscription_id": _subscription.id,
        "email": _subscription.email,
        "topic": _subscription.topic,
        "product_id": _PRODUCT,
        "currency": _CURRENCY,
        "old_minor": _OLD,
        "due_at": database_now(bindparam("settle", type_=Float())),
        "created_at": database_now(),
    }
    recipients = (
        select(*row.values())
        .where(one_of(_subscription.id, "told"), _wanted, _REACHED[reached])
        .order_by(_subscription.id)
    )
    if reached == "met":
        recipients = recipients.where(_TOLD_AS_IT_BEGAN.is_(None))
    # Two subscriptions of one person conflict as well: one email is enough.
    return (
        insert(Notification.__table__)
        .from_select(list(row), recipients)
        .on_conflict_do_nothing(index_elements=["event_id", "email", "topic"])
    )
