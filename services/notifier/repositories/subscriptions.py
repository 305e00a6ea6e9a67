"""Subscriptions: who wants to be told of what."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, select, update

from heliograph.database import Session, database_now, upsert
from heliograph.events import new_id
from services.notifier.digest_times import next_digest
from services.notifier.models import Frequency, Subscription, Topic
from services.notifier.repositories.notifications import NotificationRepository
from services.notifier.repositories.people import PeopleRepository, alone_with
from services.notifier.wishes import ANYHOW, Delivery, Wish

__all__ = ["SubscriptionRepository", "Wish"]

TOKEN_BYTES = 24


class Ending(NamedTuple):
    """The topics that an unsubscribe link ends, or has ended if nothing of them is left."""

    topics: Sequence[Topic]
    is_done: bool


class SubscriptionRepository:
    """The subscriptions that have not ended.

    `time_zone` is that of digests to people who named none.
    """

    def __init__(self, session: Session, *, time_zone: str = "UTC") -> None:
        self._session = session
        self._time_zone = time_zone

    async def add(self, wish: Wish, delivery: Delivery = ANYHOW) -> tuple[Subscription, bool]:
        """Keep the wish; the second value is False if it was kept already.

        Who has a new one is told at once of a target that is met already.
        One that is not takes over what `delivery` says, and keeps the rest.
        """
        frequency = delivery.frequency or "instant"
        digests: dict[str, Any] = {"digest_at": None, "digested_until": None}
        if frequency != "instant":
            digests = await self._begun(frequency, delivery.time_zone)
        values = {
            "id": new_id(),
            "email": wish.email,
            "topic": wish.topic,
            "product_id": wish.product_id,
            "target_minor": wish.target_minor,
            "currency": wish.currency,
            "token": secrets.token_urlsafe(TOKEN_BYTES),
            "wish": str(wish),
            "frequency": frequency,
            "locale": delivery.locale,
            "time_zone": delivery.time_zone,
            "created_at": datetime.now(UTC),
        } | digests
        insert = upsert(self._session, Subscription).values(values)
        kept = select(Subscription).where(Subscription.wish == str(wish)).with_for_update()
        subscription = None
        # What was there may end in between.
        while subscription is None:
            await self._session.execute(insert.on_conflict_do_nothing(index_elements=["wish"]))
            subscription = await self._session.scalar(kept)
        is_new = subscription.id == values["id"]
        if is_new:
            await NotificationRepository(self._session).add_met_target(subscription)
        else:
            await self.deliver(subscription, delivery)
        return subscription, is_new

    async def deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        """Tell the person in this way from now on; what it does not say stays as it was.

        What happens before a change to digests is told at once, what happens after it by digest;
        what happened since the last digest, before a change to being told at once, by one more.
        Who changes back before that is made may be told both ways of what happened in between.
        """
        before = subscription.frequency, subscription.time_zone
        subscription.locale = delivery.locale or subscription.locale
        subscription.time_zone = delivery.time_zone or subscription.time_zone
        subscription.frequency = delivery.frequency or subscription.frequency
        if before != (subscription.frequency, subscription.time_zone):
            changes = await self._digests(subscription, before[0])
            for name, value in changes.items():
                setattr(subscription, name, value)
        await self._session.flush()

    async def _digests(self, subscription: Subscription, before: Frequency) -> dict[str, Any]:
        """When the next digest is due and what earlier ones told, if that changes."""
        frequency, digest_at = subscription.frequency, subscription.digest_at
        if frequency == "instant":
            return {} if before == "instant" else {"digest_at": await self._now()}
        if digest_at is None:
            return await self._begun(frequency, subscription.time_zone)
        now = await self._now()
        # Whoever makes one that is due moves on to the next.
        return {} if digest_at <= now else self._next(now, frequency, subscription.time_zone)

    async def _begun(self, frequency: Frequency, time_zone: str | None) -> dict[str, Any]:
        """Digests of what happens from now on."""
        now = await self._now()
        return self._next(now, frequency, time_zone) | {"digested_until": now}

    def _next(
        self, now: datetime, frequency: Frequency, time_zone: str | None
    ) -> dict[str, datetime]:
        return {"digest_at": next_digest(now, frequency, time_zone or self._time_zone)}

    async def _now(self) -> datetime:
        return (await self._session.scalars(select(database_now()))).one()

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

    async def ending(self, link: Subscription, *, of_digests: bool) -> Ending:
        """What an unsubscribe link ends: its topic, and `of_digests` all that come by digest."""
        by_digest, is_left = Subscription.frequency != "instant", Subscription.wish.is_not(None)
        query = select(Subscription.topic, by_digest, is_left).distinct()
        found = (await self._session.execute(query.where(Subscription.email == link.email))).all()
        left = {topic for topic, _, is_left in found if is_left}
        digested = [(topic, is_left) for topic, by, is_left in found if of_digests and by]
        ends = {link.topic, *(topic for topic, is_left in digested if is_left)}
        if ends & left:
            return Ending(sorted(ends), is_done=False)
        ended = {link.topic, *(topic for topic, _ in digested)}
        return Ending(sorted(ended - left), is_done=True)

    async def unsubscribe(self, token: str, *, of_digests: bool = False) -> Subscription | None:
        """End everything that this subscriber is told on the topic of the link.

        Whoever clicks in one email wants no further one of its kind, whatever the product: nobody
        else subscribes them to that topic again. With `of_digests` all topics end that they have
        digests of. Returns the subscription of the link; None if there is no such link.
        """
        subscription = await self.by_token(token)
        if subscription is None:
            return None
        await alone_with(self._session, subscription.email)
        topics = (await self.ending(subscription, of_digests=of_digests)).topics
        people = PeopleRepository(self._session)
        for each in topics:
            await people.refuse(subscription.email, each)
        await self._session.execute(
            update(Subscription)
            .where(Subscription.email == subscription.email, Subscription.topic.in_(topics))
            .values(wish=None, digest_at=None)
        )
        return subscription
