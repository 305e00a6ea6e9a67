"""What people do not want, and whom nothing is sent to."""

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Final, Literal

from sqlalchemy import delete, func, select

from heliograph.database import Session, database_now, upsert
from services.notifier.models import Bounce, Refusal, Suppression, Topic
from services.notifier.wishes import Wish

Reason = Literal["bounced", "complained", "forgotten"]
"""Why an address is not written to."""

ALL: Final = "all"
"""The scope of somebody who wants to be told nothing at all."""

_WHY = {
    "bounced": "Nothing is sent to this address any more: our emails to it came back.",
    "complained": "Nothing is sent to this address any more: its person called our emails spam.",
    "forgotten": "This person was forgotten, and is not written to.",
}
TOLD_WHY = {
    "bounced": "earlier emails to it came back",
    "complained": "the recipient marked an earlier email as spam",
    "forgotten": "this person was forgotten",
}
"""Each `Reason`, as the ledger tells it."""

_ONLY_THEMSELVES = "Only they themselves can begin again: POST /v1/subscriptions/requests."


def person_of(email: str) -> str:
    """A person without the address: its SHA-256 in hexadecimal."""
    return sha256(email.encode()).hexdigest()


async def alone_with(session: Session, email: str) -> None:
    """Wait for other transactions that decide what this person may be told, and be the only one."""
    # SQLite needs no lock of ours: who writes there is alone.
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(bytes.fromhex(person_of(email))[:8], signed=True)
        await session.execute(select(func.pg_advisory_xact_lock(key)))


class PeopleRepository:
    """What was said by people themselves, or by their mail servers; it outlives subscriptions.

    Whoever changes subscriptions along with it calls it first.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def refuse(self, email: str, scope: Topic | Wish | Literal["all"]) -> None:
        """Remember that this person wants no more of a wish, of a topic, or of anything."""
        await alone_with(self._session, email)
        await self._session.execute(
            upsert(self._session, Refusal)
            .values(person=person_of(email), scope=_scope(scope), created_at=database_now())
            .on_conflict_do_nothing()
        )

    async def refuses(self, wish: Wish) -> bool:
        """Whether the person ended this wish, its topic, or everything."""
        return await self._refused(wish) is not None

    async def objection(self, wish: Wish) -> str | None:
        """Why nobody else may have the person told of this, for people to read; None if they may.

        It stays so until the transaction ends.
        """
        await alone_with(self._session, wish.email)
        suppressed = await self.suppressed([wish.email])
        if reason := suppressed.get(wish.email):
            return f"{_WHY[reason]} {_ONLY_THEMSELVES}"
        scope = await self._refused(wish)
        if scope is None:
            return None
        what = {ALL: "all emails", wish.topic: f"all emails of the topic {wish.topic}"}
        return f"This person ended {what.get(scope, 'this subscription')}. {_ONLY_THEMSELVES}"

    async def _refused(self, wish: Wish) -> str | None:
        # `all` sorts before the topics, and a topic before its wishes: the widest is told.
        return await self._session.scalar(
            select(Refusal.scope)
            .where(Refusal.person == person_of(wish.email), Refusal.scope.in_(_scopes(wish)))
            .order_by(Refusal.scope)
            .limit(1)
        )

    async def suppress(self, email: str, reason: Reason, detail: str | None = None) -> None:
        """Write to this address no more; the first reason stays."""
        await self._session.execute(
            upsert(self._session, Suppression)
            .values(
                person=person_of(email),
                email=email,
                reason=reason,
                detail=detail,
                created_at=database_now(),
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

    async def suppressions(self, *, limit: int, after: str) -> Sequence[Suppression]:
        """List by the hash of the address, beginning behind `after`."""
        query = select(Suppression).where(Suppression.person > after)
        return (await self._session.scalars(query.order_by(Suppression.person).limit(limit))).all()

    async def lift(self, email: str) -> bool:
        """Write to this address again, and count its bounces anew; False if it is written to."""
        await alone_with(self._session, email)
        person = person_of(email)
        await self._session.execute(delete(Bounce).where(Bounce.person == person))
        lifted = await self._session.scalars(
            delete(Suppression).where(Suppression.person == person).returning(Suppression.person)
        )
        return lifted.first() is not None

    async def welcome(self, wish: Wish) -> None:
        """Forget what speaks against a wish that the person has confirmed.

        Who had ended everything still wants nothing of the other topics.
        """
        await self.lift(wish.email)
        ended = await self._session.scalars(
            delete(Refusal)
            .where(Refusal.person == person_of(wish.email), Refusal.scope.in_(_scopes(wish)))
            .returning(Refusal.scope)
        )
        if ALL in ended.all():
            for topic in ("new_product", "price_drop"):
                if topic != wish.topic:
                    await self.refuse(wish.email, topic)


def _scopes(wish: Wish) -> tuple[str, ...]:
    """What a refusal of this wish may be of."""
    return ALL, wish.topic, _scope(wish)


def _scope(scope: Topic | Wish | Literal["all"]) -> str:
    """A wish without its address, which stands in no clear text here."""
    return scope.what if isinstance(scope, Wish) else scope
