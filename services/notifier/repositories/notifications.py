"""Notifications: the ledger of who is told what."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, literal, or_, select

import contracts
from heliograph import Event
from heliograph.database import Bell, Session, database_now, upsert
from heliograph.money import to_minor
from services.notifier.models import Notification, Occasion, State, Subscription, Topic


class MailBell(Bell):
    """Rings when there may be emails to be sent."""


class NotificationRepository:
    """Writes one row a recipient, however often the same event comes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add_new_product(self, event: Event[contracts.Product]) -> None:
        """Tell the subscribers of new products."""
        await self._add(event, "new_product", Subscription.topic == "new_product", old_price=None)

    async def add_price_drop(self, event: Event[contracts.Product], old_price: Decimal) -> None:
        """Tell those who wait for this product or any, and whose target the price has crossed.

        A target is crossed if the old price was above it and the new one is not. Raises
        ValueError if a price cannot be one of its currency.
        """
        product = event.instance
        old, new = (to_minor(each, product.currency) for each in (old_price, product.price))
        crossed = and_(
            Subscription.currency == product.currency,
            Subscription.target_minor < old,
            Subscription.target_minor >= new,
        )
        wanted = and_(
            Subscription.topic == "price_drop",
            or_(Subscription.product_id.is_(None), Subscription.product_id == product.id),
            or_(Subscription.target_minor.is_(None), crossed),
        )
        await self._add(event, "price_drop", wanted, old_price=str(old_price))

    async def _add(
        self,
        event: Event[contracts.Product],
        topic: Topic,
        wanted: ColumnElement[bool],
        *,
        old_price: str | None,
    ) -> None:
        session = self._session
        wanted = and_(wanted, Subscription.wish.is_not(None))
        if not await session.scalar(select(exists().where(wanted))):
            return
        await session.execute(
            upsert(session, Occasion)
            .values(
                event_id=event.id,
                topic=topic,
                product=event.instance.model_dump_json(),
                old_price=old_price,
            )
            .on_conflict_do_nothing()
        )
        rows: dict[str, Any] = {
            "event_id": literal(event.id),
            "subscription_id": Subscription.id,
            "email": Subscription.email,
            "topic": Subscription.topic,
            "due_at": database_now(),
            "created_at": database_now(),
        }
        recipients = select(*rows.values()).where(wanted).order_by(Subscription.id)
        # Two subscriptions of one person conflict as well: the older one is told.
        await session.execute(
            upsert(session, Notification)
            .from_select(list(rows), recipients)
            .on_conflict_do_nothing(index_elements=["event_id", "email"])
        )
        session.on_commit(session.collaborators[MailBell].ring)

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget what was settled more than `kept` ago, among the `limit` oldest rows.

        Returns how many rows that were. What happened is forgotten with the last of its emails.
        """
        session = self._session
        # Ids ascend in time: the oldest rows are found without an index of their own.
        oldest = select(Notification.id).order_by(Notification.id).limit(limit)
        told = (
            await session.scalars(
                delete(Notification)
                .where(
                    Notification.id.in_(oldest),
                    Notification.state != "pending",
                    Notification.created_at < database_now(-kept.total_seconds()),
                )
                .returning(Notification.event_id)
            )
        ).all()
        if told:
            left = exists().where(Notification.event_id == Occasion.event_id)
            await session.execute(delete(Occasion).where(Occasion.event_id.in_(set(told)), ~left))
        return len(told)

    async def list(
        self,
        *,
        limit: int,
        after: int,
        event_id: UUID | None,
        email: str | None,
        state: State | None,
    ) -> Sequence[Notification]:
        """List by id, the oldest first, beginning behind `after`."""
        query = select(Notification).where(Notification.id > after)
        if event_id is not None:
            query = query.where(Notification.event_id == event_id)
        if email is not None:
            query = query.where(Notification.email == email)
        if state is not None:
            query = query.where(Notification.state == state)
        return (await self._session.scalars(query.order_by(Notification.id).limit(limit))).all()
