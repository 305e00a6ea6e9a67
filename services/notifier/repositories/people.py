"""What people do not want, and whom nothing is sent to."""

from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from sqlalchemy import delete, select

from heliograph.database import Session, upsert
from services.notifier.models import Refusal, Suppression, Topic
from services.notifier.repositories.subscriptions import Wish

Reason = Literal["bounced", "complained", "forgotten"]
"""Why an address is not written to."""

ALL = "all"
"""The scope of somebody who wants to be told nothing at all."""


def person_of(email: str) -> str:
    """A person without the address: its SHA-256 in hexadecimal."""
    return sha256(email.encode()).hexdigest()


class PeopleRepository:
    """What was said by people themselves, or by their mail servers; it outlives subscriptions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def refuse(self, email: str, scope: Topic | Wish | Literal["all"]) -> None:
        """Remember that this person wants no more of a wish, of a topic, or of anything."""
        await self._session.execute(
            upsert(self._session, Refusal)
            .values(person=person_of(email), scope=_scope(scope), created_at=datetime.now(UTC))
            .on_conflict_do_nothing()
        )

    async def refuses(self, wish: Wish) -> bool:
        """Whether the person ended this wish, its topic, or everything."""
        found = await self._session.scalar(
            select(Refusal.scope).where(
                Refusal.person == person_of(wish.email),
                Refusal.scope.in_((ALL, wish.topic, _scope(wish))),
            )
        )
        return found is not None

    async def suppress(self, email: str, reason: Reason, detail: str | None = None) -> None:
        """Write to this address no more; the first reason stays."""
        await self._session.execute(
            upsert(self._session, Suppression)
            .values(
                person=person_of(email),
                email=email,
                reason=reason,
                detail=detail,
                created_at=datetime.now(UTC),
            )
            .on_conflict_do_nothing()
        )

    async def suppressed(self, emails: Collection[str]) -> dict[str, str]:
        """Those of these addresses that are not written to, each with its reason."""
        persons = {person_of(each): each for each in emails}
        found = await self._session.execute(
            select(Suppression.person, Suppression.reason).where(Suppression.person.in_(persons))
        )
        return {persons[person]: reason for person, reason in found}

    async def welcome(self, wish: Wish) -> None:
        """Forget what speaks against a wish that the person has confirmed.

        Who had ended everything still wants nothing of the other topics.
        """
        person = person_of(wish.email)
        ended = await self._session.scalars(
            delete(Refusal)
            .where(Refusal.person == person, Refusal.scope.in_((ALL, wish.topic, _scope(wish))))
            .returning(Refusal.scope)
        )
        if ALL in ended.all():
            for topic in ("new_product", "price_drop"):
                if topic != wish.topic:
                    await self.refuse(wish.email, topic)
        await self._session.execute(delete(Suppression).where(Suppression.person == person))


def _scope(scope: Topic | Wish | Literal["all"]) -> str:
    """A wish without its address, which stands in no clear text here."""
    if not isinstance(scope, Wish):
        return scope
    return str(scope).removesuffix(f" for {scope.email}")
