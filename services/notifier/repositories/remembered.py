"""What is remembered of people: shown to whoever answers for it, or forgotten."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, delete, func, select, text, update

from heliograph.database import Session, database_now, upsert
from services.notifier.models import (
    Bounce,
    Notification,
    Refusal,
    Request,
    Subscription,
    Suppression,
)
from services.notifier.repositories.people import ALL, PeopleRepository, alone_with, person_of

LAST = 10
"""Emails that are shown; of the others it is said how many there are."""

FORGOTTEN = "the person was forgotten"
"""Why an email is not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """All that is kept of one person."""

    subscriptions: Sequence[Subscription]
    """Also those that ended; the oldest first."""
    requests: Sequence[Request]
    refusals: Sequence[Refusal]
    suppression: Suppression | None
    bounces: Mapping[str, int]
    """How many of each kind."""
    email_count: int
    last_emails: Sequence[Notification]
    """The newest first."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(
            self.subscriptions
            or self.requests
            or self.refusals
            or self.suppression
            or self.bounces
            or self.email_count
        )


class RememberedRepository:
    """Looks for a person in all tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def of(self, email: str) -> Remembered:
        """What is kept of this address, and by its hash."""
        session, person = self._session, person_of(email)
        subscriptions = select(Subscription).where(Subscription.email == email)
        requests = select(Request).where(Request.email == email)
        refusals = select(Refusal).where(Refusal.person == person)
        bounces = select(Bounce.kind, func.count()).where(Bounce.person == person)
        emails = select(Notification).where(Notification.email == email)
        count = select(func.count()).select_from(Notification).where(Notification.email == email)
        return Remembered(
            subscriptions=(await session.scalars(subscriptions.order_by(Subscription.id))).all(),
            requests=(await session.scalars(requests.order_by(Request.id))).all(),
            refusals=(await session.scalars(refusals.order_by(Refusal.scope))).all(),
            suppression=await session.get(Suppression, person),
            # A result has keys, so that `dict` takes it for a mapping.
            bounces=dict(iter(await session.execute(bounces.group_by(Bounce.kind)))),
            email_count=await session.scalar(count) or 0,
            last_emails=(
                await session.scalars(emails.order_by(Notification.id.desc()).limit(LAST))
            ).all(),
        )

    async def forget(self, email: str) -> None:
        """Keep nothing of this person but a hash, so that nobody else has them written to again.

        What waits is cancelled, and what a worker has in hand it can record no more: an email that
        is just being handed over may still come. What they were told stays in the ledger, under
        an address that is nobody's and, as the hash is not in it, cannot be found by theirs.
        """
        session, person = self._session, person_of(email)
        await alone_with(session, email)
        await session.execute(delete(Subscription).where(Subscription.email == email))
        await self._stop_writing()
        await session.execute(delete(Request).where(Request.email == email))
        is_pending = Notification.state == "pending"
        await session.execute(
            update(Notification)
            .where(Notification.email == email)
            .values(
                # Of its own each time: somebody may come back, be told of the same, and leave.
                email=f"forgotten-{secrets.token_hex(8)}@invalid",
                secret=None,
                # A mail server repeats the address.
                answer=None,
                reason=case(
                    (is_pending, FORGOTTEN),
                    (Notification.state == "cancelled", Notification.reason),
                ),
                state=case((is_pending, "cancelled"), else_=Notification.state),
                token=Notification.token + 1,
            )
            .execution_options(synchronize_session=False)
        )
        await session.execute(delete(Bounce).where(Bounce.person == person))
        await session.execute(delete(Refusal).where(Refusal.person == person))
        await PeopleRepository(session).refuse(email, ALL)
        insert = upsert(session, Suppression).values(
            person=person, email=None, reason="forgotten", detail=None, created_at=database_now()
        )
        news = insert.excluded
        await session.execute(
            insert.on_conflict_do_update(
                index_elements=["person"],
                set_={
                    "email": None,
                    "reason": news.reason,
                    "detail": None,
                    "created_at": news.created_at,
                },
                where=Suppression.reason != news.reason,
            )
        )

    async def _stop_writing(self) -> None:
        """Let nobody write emails until the transaction ends.

        Whoever has read the subscriptions already is waited for, so that no row of theirs comes
        after us; whoever reads them later finds none.
        """
        # SQLite needs no lock of ours: who writes there is alone.
        if self._session.get_bind().dialect.name == "postgresql":
            # All who write emails wait behind us: who holds us up, as a VACUUM, is not waited for.
            await self._session.execute(text("SET LOCAL lock_timeout = '3s'"))
            await self._session.execute(text("LOCK TABLE notification IN EXCLUSIVE MODE"))
