"""Outgoing emails: the notifications that mail workers share among them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, select, tuple_, update

from services.notifier.models import Notification, Occasion, State, Subscription, Topic
from shared.database import Database
from shared.inbox import printable
from shared.types import database_now

LEASE_S = 25.0
"""How long a worker may be silent before its emails go to another."""

GIVE_UP_S = 24 * 3600.0
"""Age at which an email that still cannot be sent has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An email that a worker may send until its lease ends.

    `token` is the fencing token: it grows with every claim, so that a worker that comes back
    after its lease cannot overwrite what another has recorded.
    """

    id: int
    token: int
    attempts: int
    email: str
    event_id: UUID
    subscription_id: UUID
    created_at: datetime
    topic: Topic
    product: str
    old_price: str | None
    unsubscribe_token: str | None
    """None if the subscription has ended: the email is no longer wanted."""


class Outgoing:
    """The emails of one service that wait; each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int) -> list[Due]:
        """Lease up to `limit` emails that are due, and count the attempt."""
        chosen = (
            select(Notification.id)
            .where(Notification.state == "pending", Notification.due_at <= database_now())
            .order_by(Notification.due_at, Notification.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("chosen")
        )
        async with self._database.transaction() as session:
            claimed = await session.scalars(
                update(Notification)
                .where(Notification.id.in_(select(chosen.c.id)))
                .values(
                    attempts=Notification.attempts + 1,
                    token=Notification.token + 1,
                    due_at=database_now(LEASE_S),
                )
                .returning(Notification.id)
            )
            rows = await session.execute(
                select(
                    Notification.id,
                    Notification.token,
                    Notification.attempts,
                    Notification.email,
                    Notification.event_id,
                    Notification.subscription_id,
                    Notification.created_at,
                    Occasion.topic,
                    Occasion.product,
                    Occasion.old_price,
                    Subscription.token.label("unsubscribe_token"),
                )
                .join(Occasion, Occasion.event_id == Notification.event_id)
                .outerjoin(
                    Subscription,
                    (Subscription.id == Notification.subscription_id)
                    & Subscription.wish.is_not(None),
                )
                .where(Notification.id.in_(claimed.all()))
                .order_by(Notification.id)
            )
            return [Due(**row._mapping) for row in rows]  # noqa: SLF001 - public despite its name

    async def renew(self, emails: Collection[Due]) -> set[int]:
        """Begin the leases anew; returns the ids of the emails that are still ours."""
        return await self._update(emails, due_at=database_now(LEASE_S))

    async def hand_back(self, emails: Collection[Due]) -> None:
        """Let others send these at once, and forget the attempt."""
        await self._update(emails, attempts=Notification.attempts - 1, due_at=database_now())

    async def settle(self, email: Due, state: State, reason: str | None = None) -> None:
        """Record the outcome, unless another worker has taken the email over."""
        sent_at = database_now() if state == "sent" else None
        await self._update([email], state=state, reason=_line(reason), sent_at=sent_at)

    async def retry(self, email: Due, reason: str, delay: float) -> None:
        """Let the email be tried again `delay` seconds from now; one of `GIVE_UP_S` has failed."""
        too_old: ColumnElement[bool] = Notification.created_at < database_now(-GIVE_UP_S)
        await self._update(
            [email],
            state=case((too_old, "failed"), else_="pending"),
            reason=_line(reason),
            due_at=database_now(delay),
        )

    async def _update(self, emails: Collection[Due], **values: Any) -> set[int]:
        mine = tuple_(Notification.id, Notification.token).in_(
            [(each.id, each.token) for each in emails]
        )
        async with self._database.transaction() as session:
            updated: Sequence[int] = (
                await session.scalars(
                    update(Notification)
                    .where(mine, Notification.state == "pending")
                    .values(**values)
                    .returning(Notification.id)
                )
            ).all()
        return set(updated)


def _line(reason: str | None) -> str | None:
    return None if reason is None else printable(reason, 500)
