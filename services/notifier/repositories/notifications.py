"""Notifications: who is to be told what, written into the ledger."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)

import contracts
from heliograph import Event
from heliograph.database import Bell, Session, database_now, one_of, upsert
from services.notifier.models import (
    Notification,
    Occasion,
    Product,
    Spread,
    Subscription,
    Topic,
)
from services.notifier.repositories.products import minor
from services.notifier.sending.pace import Pace

AT_ONCE = 2_000
"""Subscriptions for which one transaction writes rows: so many that it stays a short one."""

NOBODY, EVERYBODY = UUID(int=0), UUID(int=2**128 - 1)
"""Before and behind the ids of all subscriptions."""

# Spelled with a literal, so that the partial index matches whatever the plan.
_INSTANT = Subscription.frequency == literal_column("'instant'")


class MailBell(Bell):
    """Rings when there may be emails to be sent."""


class NotificationRepository:
    """Writes one row a recipient, however often the same event comes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add_new_product(self, event: Event[contracts.Product]) -> None:
        """Tell the subscribers of new products."""
        news = _news(event.id, "new_product", event.instance)
        await self._keep_for_digests(news)
        await self._tell(news)

    async def add_price_drop(self, event: Event[contracts.Product], old: int, new: int) -> None:
        """Tell those who wait for this product or any, and whose target the price has crossed.

        A target is crossed if the old price was above it and the new one is not.
        """
        news = _news(event.id, "price_drop", event.instance, old_minor=old, new_minor=new)
        await self._keep_for_digests(news)
        await self._tell(news)

    async def add_met_targets(self, event: Event[contracts.Product]) -> None:
        """Tell those who subscribed before the product was heard of, and whose target it meets."""
        product = event.instance
        await self._tell(_news(event.id, "price_drop", product, new_minor=minor(product)))

    async def add_met_target(self, subscription: Subscription) -> None:
        """Tell the subscriber at once if the product is had at the target price already."""
        if subscription.target_minor is None:
            return
        # Locked, so that a change which does not see this subscription yet is waited for, and one
        # that comes after waits for it: one of the two tells.
        product = await self._session.scalar(
            select(Product).where(Product.id == subscription.product_id).with_for_update(read=True)
        )
        if (
            product is None
            or product.gone
            or product.currency != subscription.currency
            or product.price_minor is None
            or product.price_minor > subscription.target_minor
        ):
            return
        # What happened is the subscription: whoever ends it and comes back is told again.
        news = _news(subscription.id, "price_drop", product, new_minor=product.price_minor)
        await self._write(news, Subscription.id == subscription.id)

    async def _tell(self, news: Spread) -> None:
        if await self.spread(news):
            return
        # Not by the clock, for those of two processes may differ: whoever is there is told.
        last = select(Subscription.id).order_by(Subscription.id.desc()).limit(1)
        news.until = (await self._session.scalars(last)).one()
        self._session.add(news)

    async def _keep_for_digests(self, news: Spread) -> None:
        session = self._session
        # By the order of the index, for by a mere `EXISTS` PostgreSQL looks through the table for a
        # first one. Between, since the order of what is equal is none.
        digests = (
            select(Subscription.id)
            .where(Subscription.digest_at.is_not(None), Subscription.topic == news.topic)
            .order_by(Subscription.product_id)
            .limit(1)
        )
        of_all = digests.where(Subscription.product_id.is_(None))
        of_this = digests.where(Subscription.product_id.between(news.product_id, news.product_id))
        either = func.coalesce(of_all.scalar_subquery(), of_this.scalar_subquery())
        if await session.scalar(select(either)):
            await session.execute(
                upsert(session, Occasion)
                .values(
                    event_id=news.event_id,
                    topic=news.topic,
                    product_id=news.product_id,
                    currency=news.currency,
                    old_minor=news.old_minor,
                    new_minor=news.new_minor,
                    happened_at=database_now(),
                )
                .on_conflict_do_nothing()
            )

    async def spread(self, news: Spread, at_most: int = AT_ONCE) -> bool:
        """Write rows for the next `at_most` subscriptions; whether those were the last.

        First of those who watch this product, then of those who watch all; targets that are not
        reached count too. `news` says afterwards how far it came.
        """
        while True:
            watchers = select(Subscription.id).where(
                Subscription.wish.is_not(None),
                _INSTANT,
                Subscription.topic == news.topic,
                _all_behind(news.behind)
                if news.for_all
                else _of_product_behind(news.product_id, news.behind),
            )
            some = watchers.order_by(Subscription.product_id, Subscription.id).limit(at_most)
            ids = [each for each in await self._session.scalars(some) if each <= news.until]
            if ids:
                told = one_of(Subscription.id.expression, ids)
                await self._write(news, and_(told, Subscription.wish.is_not(None), _reached(news)))
            if len(ids) == at_most:
                news.behind = ids[-1]
                return False
            if news.for_all:
                return True
            news.for_all, news.behind = True, NOBODY
            at_most -= len(ids)

    async def _write(self, news: Spread, wanted: ColumnElement[bool]) -> None:
        session = self._session
        # One transaction cannot be waited for by another's email: what is new settles first.
        settle = session.collaborators[Pace].settle if news.topic == "new_product" else 0.0
        rows: dict[str, Any] = {
            "event_id": literal(news.event_id),
            "subscription_id": Subscription.id,
            "email": Subscription.email,
            "topic": Subscription.topic,
            "product_id": literal(news.product_id),
            "currency": literal(news.currency),
            "old_minor": literal(news.old_minor, Notification.old_minor.type),
            "due_at": database_now(settle),
            "created_at": database_now(),
        }
        recipients = select(*rows.values()).where(wanted).order_by(Subscription.id)
        # Two subscriptions of one person conflict as well: one email is enough.
        await session.execute(
            upsert(session, Notification)
            .from_select(list(rows), recipients)
            .on_conflict_do_nothing(index_elements=["event_id", "email", "topic"])
        )
        session.on_commit(session.collaborators[MailBell].ring)


def _news(
    event_id: UUID,
    topic: Topic,
    product: contracts.Product | Product,
    *,
    old_minor: int | None = None,
    new_minor: int | None = None,
) -> Spread:
    """What happened to a product, prices in minor units; nobody is told yet."""
    return Spread(
        event_id=event_id,
        topic=topic,
        product_id=product.id,
        currency=product.currency,
        old_minor=old_minor,
        new_minor=new_minor,
        for_all=topic == "new_product",
        behind=NOBODY,
        until=EVERYBODY,
    )


# Both are a part of `ix_subscription_instant` in its own order, and are written so that PostgreSQL
# knows no other index that has it: not the ids' alone, in which watchers of everything stand.


def _all_behind(id: UUID) -> ColumnElement[bool]:
    """Whether somebody watches no product in particular, and has a greater id."""
    return and_(Subscription.product_id.is_(None), Subscription.id > id)


def _of_product_behind(product_id: UUID, id: UUID) -> ColumnElement[bool]:
    """Whether somebody watches this product, and has a greater id."""
    place = tuple_(Subscription.product_id, Subscription.id)
    return and_(place > (product_id, id), Subscription.product_id <= product_id)


def _reached(news: Spread) -> ColumnElement[bool]:
    """Whether a subscription has no target, or the price has crossed it; met it, if none fell."""
    if news.new_minor is None:
        return Subscription.target_minor.is_(None)
    met = and_(Subscription.currency == news.currency, Subscription.target_minor >= news.new_minor)
    if news.old_minor is None:
        return met
    return or_(
        Subscription.target_minor.is_(None), and_(met, Subscription.target_minor < news.old_minor)
    )
