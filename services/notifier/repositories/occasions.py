"""Occasions: what happened to products that digests are to tell of."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Float, and_, delete, func, or_, select
from sqlalchemy import cast as as_type
from sqlalchemy.orm import aliased

from heliograph.database import Session, database_now
from services.notifier.models import Occasion, Product, Subscription, Topic
from services.notifier.repositories.digests import SINCE, due_of

CANDIDATES = 36
"""Most items of a digest: three times those that its email shows, for it is looked at again."""

OCCASIONS_KEPT = timedelta(days=8)
"""No digest that is made in time tells of older ones."""


class Happened(NamedTuple):
    """A product that is new, or costs less than before its first drop of the period."""

    topic: Topic
    product_id: UUID
    currency: str
    old_minor: int | None
    new_minor: int | None
    happened_at: datetime


class Found(NamedTuple):
    """What one wish is told: the first `CANDIDATES` of so many."""

    items: Sequence[Happened]
    of: int


class OccasionRepository:
    """Says what is worth telling of a period, as products are now; those that are gone are not."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all_news(self, since: datetime, until: datetime) -> Found:
        """The products that were created after `since` and up to `until`, the newest first."""
        news = (
            select(*_happened(Occasion))
            .join(Product, Product.id == Occasion.product_id)
            .where(_within("new_product", since, until), ~Product.gone)
            .cte()
        )
        return await self._first(news, news.c.happened_at.desc())

    async def all_drops(self, since: datetime, until: datetime) -> Found:
        """The products whose price fell meanwhile and is lower than before, the most first."""
        in_order = func.row_number().over(
            partition_by=(Occasion.product_id, Occasion.currency),
            order_by=(Occasion.happened_at, Occasion.id),
        )
        drops = (
            select(Occasion, in_order.label("place"))
            .where(_within("price_drop", since, until))
            .subquery()
        )
        drop = aliased(Occasion, drops)
        lower = (
            select(*_happened(drop))
            .join(Product, Product.id == drop.product_id)
            .where(drops.c.place == 1, ~Product.gone, _is_lower_than(drop))
            .cte()
        )
        return await self._first(lower, as_type(lower.c.price_minor, Float) / lower.c.old_minor)

    async def of_watched(self, people: Collection[str], until: datetime) -> Mapping[UUID, Happened]:
        """By subscription, what happened to the products that these people watch.

        A drop counts for a target if it crossed that, and if the price is not above it now.
        """
        crosses = and_(
            Occasion.currency == Subscription.currency,
            Occasion.old_minor > Subscription.target_minor,
            Occasion.new_minor <= Subscription.target_minor,
        )
        counts = or_(
            Subscription.topic == "new_product",
            and_(
                Occasion.currency == Product.currency,
                or_(Subscription.target_minor.is_(None), crosses),
            ),
        )
        # A subquery, which is answered for each by the index of the product's occasions.
        first = (
            select(Occasion.id)
            .where(
                Occasion.product_id == Subscription.product_id,
                Occasion.topic == Subscription.topic,
                Occasion.happened_at > SINCE,
                Occasion.happened_at <= Subscription.digest_at,
                counts,
            )
            .order_by(Occasion.happened_at, Occasion.id)
            .limit(1)
            .correlate(Subscription, Product)
            .scalar_subquery()
        )
        reached = or_(
            Subscription.target_minor.is_(None), Product.price_minor <= Subscription.target_minor
        )
        is_true = or_(Subscription.topic == "new_product", and_(_is_lower_than(Occasion), reached))
        rows = await self._session.execute(
            select(Subscription.id, *_happened(Occasion))
            .join(Product, Product.id == Subscription.product_id)
            .join(Occasion, Occasion.id == first)
            .where(due_of(people, until), ~Product.gone, is_true)
        )
        return {id_: Happened._make(happened) for id_, *happened in rows}

    async def prune(self, limit: int) -> int:
        """Forget, of the `limit` oldest occasions, those that no digest can tell of any more."""
        oldest = select(Occasion.id).order_by(Occasion.id).limit(limit)
        earliest = (
            select(func.coalesce(func.min(SINCE), database_now()))
            .where(Subscription.digest_at.is_not(None))
            .scalar_subquery()
        )
        gone = await self._session.scalars(
            delete(Occasion)
            .where(
                Occasion.id.in_(oldest),
                Occasion.happened_at < database_now(-OCCASIONS_KEPT.total_seconds()),
                Occasion.happened_at <= earliest,
            )
            .returning(Occasion.id)
        )
        return len(gone.all())

    async def _first(self, found: CTE, order: ColumnElement[Any]) -> Found:
        # Both use the whole of it, so PostgreSQL finds that once, and not as for a few rows.
        count = select(func.count()).select_from(found).scalar_subquery()
        query = select(found, count).order_by(order, found.c.product_id).limit(CANDIDATES)
        rows = (await self._session.execute(query)).all()
        return Found([Happened._make(row[:-1]) for row in rows], rows[0][-1] if rows else 0)


def _within(topic: Topic, since: datetime, until: datetime) -> ColumnElement[bool]:
    return and_(
        Occasion.topic == topic, Occasion.happened_at > since, Occasion.happened_at <= until
    )


def _happened(occasion: type[Occasion]) -> tuple[Any, ...]:
    """The columns of `Happened`."""
    return (
        occasion.topic,
        occasion.product_id,
        occasion.currency,
        occasion.old_minor,
        Product.price_minor,
        occasion.happened_at,
    )


def _is_lower_than(drop: type[Occasion]) -> ColumnElement[bool]:
    """Whether the product costs less now, in the same currency, than before the drop."""
    return and_(Product.currency == drop.currency, Product.price_minor < drop.old_minor)
