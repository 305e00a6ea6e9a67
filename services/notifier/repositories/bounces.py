"""Bounces: what mail servers and people said against emails of ours."""

import re
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, or_, select

from heliograph.database import Session, database_now, upsert
from services.notifier.mail.errors import one_line
from services.notifier.models import Bounce, Notification
from services.notifier.repositories.people import (
    PeopleRepository,
    Reason,
    alone_with,
    person_of,
)

BounceKind = Literal["hard", "soft", "complaint"]
"""There is no such recipient; not this time; or the recipient calls it spam."""

Outcome = Literal["counted", "suppressed", "known", "foreign"]
"""What became of a bounce: it counts, and was the one too many; it was counted before; or we sent
that recipient no such email, and nothing is kept."""

HARD_ONES = 2
"""Emails that bounce hard until their address is not written to any more."""

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MESSAGE_ID = re.compile(rf"<?({_ID})\.({_ID})@[^@<>\s]+>?", re.IGNORECASE)


class BounceRepository:
    """Counts bounces, each email's once a kind, and suppresses addresses that fail for good.

    Why it asks for the Message-ID: docs/decisions/0043-what-counts-as-a-bounce.md.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def record(
        self, *, email: str, kind: BounceKind, message_id: str, detail: str | None = None
    ) -> Outcome:
        """Take down what became of the email with this Message-ID, which was sent to `email`.

        `email` is an address as `valid_address` writes it, `detail` what the mail server said.
        Whoever records several in one transaction does so in the order of their addresses.
        """
        named = _MESSAGE_ID.fullmatch(message_id.strip())
        if named is None or not await self._was_sent(email, UUID(named[1]), UUID(named[2])):
            return "foreign"
        person = person_of(email)
        if kind == "hard":
            # Who records another at the same moment is waited for: together they are too many.
            await alone_with(self._session, email)
        said = one_line(detail) if detail else None
        new = await self._session.scalar(
            upsert(self._session, Bounce)
            .values(
                person=person,
                kind=kind,
                # Without the domain, which anybody may alter on the way.
                message_id=f"{named[1]}.{named[2]}".lower(),
                detail=said,
                created_at=database_now(),
            )
            .on_conflict_do_nothing()
            .returning(Bounce.id)
        )
        if new is None:
            return "known"
        reason = await self._reason_to_stop(person, kind)
        if reason is None:
            return "counted"
        await PeopleRepository(self._session).suppress(email, reason, said)
        return "suppressed"

    async def _was_sent(self, email: str, event_id: UUID, subscription_id: UUID) -> bool:
        """Whether such an email was sent to this recipient, or may have been.

        What another email tells too never went out under a Message-ID of its own.
        """
        found = await self._session.scalar(
            select(Notification.id).where(
                Notification.event_id == event_id,
                Notification.email == email,
                Notification.subscription_id == subscription_id,
                Notification.told_by.is_(None),
                or_(Notification.told_at.is_not(None), Notification.state.in_(("sent", "failed"))),
            )
        )
        return found is not None

    async def _reason_to_stop(self, person: str, kind: BounceKind) -> Reason | None:
        if kind == "complaint":
            return "complained"
        if kind == "soft":
            return None
        count = await self._session.scalar(
            select(func.count()).where(Bounce.person == person, Bounce.kind == "hard")
        )
        return "bounced" if (count or 0) >= HARD_ONES else None

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` bounces that came more than `kept` ago; return how many.

        They count no more: a mailbox may have been given anew.
        """
        session = self._session
        old = (
            select(Bounce.id)
            .where(Bounce.created_at < database_now(-kept.total_seconds()))
            .order_by(Bounce.created_at)
            .limit(limit)
        )
        gone = await session.scalars(delete(Bounce).where(Bounce.id.in_(old)).returning(Bounce.id))
        return len(gone.all())
