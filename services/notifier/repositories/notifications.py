"""Notifications: who is to be told what, written into the ledger."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

import contracts
from heliograph import Event
from heliograph.database import Bell, Session, inserting
from services.notifier.models import Product, Spread, Subscription, Topic
from services.notifier.repositories.spreads import (
    IS_DIGESTED,
    is_for_all_too,
    notifications,
    occasion,
    values_of,
    watchers,
)
from services.notifier.sending.pace import Pace

AT_ONCE = 2_000
"""Subscriptions for which one transaction writes rows: so many that it stays a short one."""

NOBODY, EVERYBODY = UUID(int=0), UUID(int=2**128 - 1)
"""Before and behind the ids of all subscriptions."""


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

    async def add_met_targets(self, event: Event[contracts.Product], price: int) -> None:
        """Tell those who subscribed before the product was heard of, and whose target it meets.

        At once, whether they want digests or not: there was no drop for these to tell of.
        """
        await self._tell(_news(event.id, "price_drop", event.instance, new_minor=price))

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
        await self._write(news, [subscription.id])

    async def _tell(self, news: Spread) -> None:
        if await self.spread(news):
            return
        # Not by the clock, for those of two processes may differ: whoever is there is told.
        last = select(Subscription.id).order_by(Subscription.id.desc()).limit(1)
        news.until = (await self._session.scalars(last)).one()
        self._session.add(news)

    async def _keep_for_digests(self, news: Spread) -> None:
        session, values = self._session, values_of(news)
        if await session.scalar(IS_DIGESTED, values):
            await session.execute(occasion(inserting(session)), values)

    async def spread(self, news: Spread, at_most: int = AT_ONCE) -> bool:
        """Write rows for the next `at_most` subscriptions; whether those were the last.

        First of those who watch this product, then of those who watch all; targets that are not
        reached count too. `news` says afterwards how far it came.
        """
        while True:
            behind = {"behind": news.behind, "at_most": at_most}
            found = await self._session.scalars(watchers(news), values_of(news) | behind)
            if ids := [each for each in found if each <= news.until]:
                await self._write(news, ids)
            if len(ids) == at_most:
                news.behind = ids[-1]
                return False
            if news.for_all or not is_for_all_too(news):
                return True
            news.for_all, news.behind = True, NOBODY
            at_most -= len(ids)

    async def _write(self, news: Spread, told: Collection[UUID]) -> None:
        session = self._session
        # One transaction cannot be waited for by another's email: what is new settles first.
        settle = session.collaborators[Pace].settle if news.topic == "new_product" else 0.0
        await session.execute(
            notifications(inserting(session), news),
            values_of(news) | {"told": told, "settle": settle},
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
