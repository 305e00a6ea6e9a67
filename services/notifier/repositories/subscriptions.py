"""Subscriptions: who wants to be told of what."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select, update

from heliograph.database import Session, upsert
from heliograph.events import new_id
from services.notifier.models import Subscription, Topic

TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be told of.

    `target_minor` is in minor units of `currency`; both are None or neither.
    """

    email: str
    topic: Topic
    product_id: UUID | None = None
    target_minor: int | None = None
    currency: str | None = None

    def __str__(self) -> str:
        target = f"{self.target_minor} {self.currency}" if self.currency else "any"
        return f"{self.topic} of {self.product_id or 'any'} at {target} for {self.email}"


class SubscriptionRepository:
    """The subscriptions that have not ended."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, wish: Wish) -> tuple[Subscription, bool]:
        """Keep the wish; the second value is False if it was kept already."""
        values = {
            "id": new_id(),
            "email": wish.email,
            "topic": wish.topic,
            "product_id": wish.product_id,
            "target_minor": wish.target_minor,
            "currency": wish.currency,
            "token": secrets.token_urlsafe(TOKEN_BYTES),
            "wish": str(wish),
            "created_at": datetime.now(UTC),
        }
        await self._session.execute(
            upsert(self._session, Subscription)
            .values(values)
            .on_conflict_do_nothing(index_elements=["wish"])
        )
        kept = await self._session.scalars(
            select(Subscription).where(Subscription.wish == str(wish))
        )
        subscription = kept.one()
        return subscription, subscription.id == values["id"]

    async def get(self, id: UUID) -> Subscription | None:
        return await self._session.scalar(
            select(Subscription).where(Subscription.id == id, Subscription.wish.is_not(None))
        )

    async def list(
        self, *, limit: int, after: UUID | None, email: str | None, topic: Topic | None
    ) -> Sequence[Subscription]:
        """List by id, the oldest first, beginning behind `after`."""
        query = select(Subscription).where(Subscription.wish.is_not(None))
        if after is not None:
            query = query.where(Subscription.id > after)
        if email is not None:
            query = query.where(Subscription.email == email)
        if topic is not None:
            query = query.where(Subscription.topic == topic)
        return (await self._session.scalars(query.order_by(Subscription.id).limit(limit))).all()

    async def delete(self, id: UUID) -> bool:
        """Forget a subscription; False if there is none under that id."""
        gone = await self._session.execute(
            delete(Subscription)
            .where(Subscription.id == id, Subscription.wish.is_not(None))
            .returning(Subscription.id)
        )
        return gone.first() is not None

    async def by_token(self, token: str) -> Subscription | None:
        """The subscription of an unsubscribe link, also one that has ended."""
        return await self._session.scalar(select(Subscription).where(Subscription.token == token))

    async def unsubscribe(self, token: str) -> Subscription | None:
        """End everything that this subscriber is told on the topic of the link.

        Whoever clicks in one email wants no further one of its kind, whatever the product.
        Returns the subscription of the link; None if there is no such link.
        """
        subscription = await self.by_token(token)
        if subscription is not None:
            await self._session.execute(
                update(Subscription)
                .where(
                    Subscription.email == subscription.email,
                    Subscription.topic == subscription.topic,
                )
                .values(wish=None)
            )
        return subscription
