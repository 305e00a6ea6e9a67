"""Requests: wishes that anybody may utter for an address, until whoever reads its mail confirms."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Literal

from sqlalchemy import case, delete, exists, insert, select

from heliograph.database import Session, database_now, upsert
from heliograph.events import new_id
from services.notifier.models import Attempts, Notification, Request, Subscription
from services.notifier.repositories.notifications import MailBell
from services.notifier.repositories.people import PeopleRepository, alone_with, person_of
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.wishes import Delivery, Wish

TOKEN_BYTES = 32

CONFIRMED_WITHIN_S = 48 * 3600.0
"""Within which a request can be confirmed."""

KEPT_S = 7 * 86_400.0
"""For which the link of an expired request still says that it has expired."""

COUNTED_S = 600.0
"""Within which requests of one client are counted, and an address is sent one confirmation."""

MOST = 20
"""Requests of one client within `COUNTED_S`."""

Stage = Literal["ask", "done", "expired"]
"""Of a request: it can be confirmed; its subscription has begun; or it is too late for that, also
because the subscription has ended again."""


@dataclass(frozen=True, slots=True)
class StagedRequest:
    """A request, and how far it is."""

    request: Request
    stage: Stage

    @property
    def wish(self) -> Wish:
        return Wish.of(self.request)

    @property
    def delivery(self) -> Delivery:
        request = self.request
        return Delivery(
            frequency=request.frequency, locale=request.locale, time_zone=request.time_zone
        )


class RequestRepository:
    """Asks for a confirmation, and begins what is confirmed.

    `time_zone` is that of digests to people who named none.
    """

    def __init__(self, session: Session, *, time_zone: str = "UTC") -> None:
        self._session = session
        self._time_zone = time_zone

    async def wait_of(self, client: str) -> int | None:
        """Count a request of this client; the seconds to wait if that was one too many."""
        count, seconds = await self._count(f"client {client}")
        return max(ceil(seconds), 1) if count > MOST else None

    async def add(self, wish: Wish, delivery: Delivery) -> None:
        """Have an email ask the person whether they want this.

        It asks once an address and `COUNTED_S`, about the first wish: others in that time, for
        the same or another, are dropped. Who has the subscription already is not asked, unless
        nothing is sent to their address at present: to confirm again lifts that.
        """
        count, _ = await self._count(f"address {person_of(wish.email)}")
        if count > 1:
            return
        is_told = await self._is_told(wish)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        request_id = new_id()
        # Written whether it is sent or not: nobody can tell by the time that it takes. The email
        # first, for who forgets this person waits for those who write emails.
        await self._session.execute(
            insert(Notification).values(
                event_id=request_id,
                subscription_id=request_id,
                email=wish.email,
                topic="confirmation",
                product_id=wish.product_id,
                currency=wish.currency,
                secret=None if is_told else token,
                state="cancelled" if is_told else "pending",
                reason="the subscription exists" if is_told else None,
                due_at=database_now(),
                created_at=database_now(),
            )
        )
        await self._session.execute(
            insert(Request).values(
                id=request_id,
                email=wish.email,
                topic=wish.topic,
                product_id=wish.product_id,
                target_minor=wish.target_minor,
                currency=wish.currency,
                frequency=delivery.frequency or "instant",
                locale=delivery.locale,
                time_zone=delivery.time_zone,
                token_hash=_hash(token),
                created_at=database_now(),
                expires_at=database_now(CONFIRMED_WITHIN_S),
            )
        )
        self._session.on_commit(self._session.collaborators[MailBell].ring)

    async def find(self, token: str) -> StagedRequest | None:
        """The request of this link; None if there is no such link."""
        found = await self._session.execute(
            select(Request, Request.expires_at <= database_now())
            .where(Request.token_hash == _hash(token))
            .execution_options(populate_existing=True)
        )
        row = found.first()
        if row is None:
            return None
        request, is_late = row
        asked = StagedRequest(request, "expired" if is_late else "ask")
        if request.confirmed_at is None:
            return asked
        return StagedRequest(request, "done" if await self._exists(asked.wish) else "expired")

    async def confirm(self, token: str) -> StagedRequest | None:
        """Begin the subscription, once; the request of this link, None if there is no such link.

        Whatever spoke against it until now does so no more.
        """
        asked = await self.find(token)
        if asked is None or asked.stage != "ask":
            return asked
        await alone_with(self._session, asked.request.email)
        # Another may have confirmed it meanwhile, or the person was forgotten.
        asked = await self.find(token)
        if asked is None or asked.stage != "ask":
            return asked
        await PeopleRepository(self._session).welcome(asked.wish)
        subscriptions = SubscriptionRepository(self._session, time_zone=self._time_zone)
        await subscriptions.add(asked.wish, asked.delivery)
        asked.request.confirmed_at = await self._session.scalar(select(database_now()))
        await self._session.flush()
        return StagedRequest(asked.request, "done")

    async def prune(self, limit: int) -> int:
        """Forget up to `limit` requests that expired long ago, and old counts; return how many."""
        session = self._session
        late = (
            select(Request.id)
            .where(Request.expires_at < database_now(-KEPT_S))
            .order_by(Request.expires_at)
            .limit(limit)
        )
        requests = await session.scalars(
            delete(Request).where(Request.id.in_(late)).returning(Request.id)
        )
        # Whoever counts holds one row and may wait for another.
        old = (
            select(Attempts.who)
            .where(Attempts.began_at <= database_now(-COUNTED_S))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        counts = await session.scalars(
            delete(Attempts).where(Attempts.who.in_(old)).returning(Attempts.who)
        )
        return len(requests.all()) + len(counts.all())

    async def _is_told(self, wish: Wish) -> bool:
        suppressed = await PeopleRepository(self._session).suppressed([wish.email])
        return await self._exists(wish) and not suppressed

    async def _exists(self, wish: Wish) -> bool:
        found = await self._session.scalar(select(exists().where(Subscription.wish == str(wish))))
        return bool(found)

    async def _count(self, who: str) -> tuple[int, float]:
        """Count one more; how many there are now, and in how many seconds it begins anew.

        Exact among any number of processes: it holds the row until the transaction ends.
        """
        ended = Attempts.began_at <= database_now(-COUNTED_S)
        counted = await self._session.execute(
            upsert(self._session, Attempts)
            .values(who=who, began_at=database_now(), count=1)
            .on_conflict_do_update(
                index_elements=["who"],
                set_={
                    "count": case((ended, 1), else_=Attempts.count + 1),
                    "began_at": case((ended, database_now()), else_=Attempts.began_at),
                },
            )
            .returning(Attempts.count, Attempts.began_at, database_now())
        )
        count, began_at, now = counted.one()
        return count, COUNTED_S - (now - began_at).total_seconds()


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
