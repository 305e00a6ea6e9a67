"""Digests: whose are due, and what was made for them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)

from heliograph.database import Session, database_now, one_of, unindexed, upsert
from services.notifier.models import Digest, Frequency, Notification, Subscription, Topic
from services.notifier.repositories.notifications import MailBell


class Place(NamedTuple):
    """Whose turn it is: digests are made in this order."""

    digest_at: datetime
    email: str


class Due(NamedTuple):
    """A subscription whose digest is due: of what happened after `since`, up to `until`.

    It is the last if it is told at once by now (`frequency`); who `ended` it is told nothing.
    """

    id: UUID
    email: str
    topic: Topic
    product_id: UUID | None
    frequency: Frequency
    time_zone: str | None
    ended: bool
    since: datetime
    until: datetime


class DigestRow(NamedTuple):
    """A digest of one person, on account of one of the subscriptions that are in it."""

    digest_id: UUID
    facts: str
    subscription_id: UUID
    email: str


SINCE = func.coalesce(Subscription.digested_until, Subscription.created_at)
"""Where the period of a subscription's next digest begins."""

_ENDED = Subscription.wish.is_(None)

# The tables, because the ORM's own statements cost as much again as the database's.
_subscriptions = cast("Table", Subscription.__table__)
_ledger = cast("Table", Notification.__table__).c
_MOVE = (
    update(_subscriptions)
    .where(_subscriptions.c.id == bindparam("mine"))
    .values(digested_until=_subscriptions.c.digest_at, digest_at=bindparam("next"))
)


class DigestRepository:
    """Locks those whose digests are due, and writes what they are told."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def now(self) -> datetime:
        """The moment by the database's clock, as a value that an index can be searched for."""
        return (await self._session.scalars(select(database_now()))).one()

    async def due(self, until: datetime, behind: Place | None, limit: int) -> Sequence[Place]:
        """The next subscriptions whose digest was due by `until`, one person's side by side."""
        query = select(Subscription.digest_at, Subscription.email)
        query = query.where(Subscription.digest_at <= until)
        if behind is not None:
            query = query.where(tuple_(Subscription.digest_at, Subscription.email) > behind)
        query = query.order_by(Subscription.digest_at, Subscription.email).limit(limit)
        return [Place._make(row) for row in await self._session.execute(query)]

    async def wanted(
        self, people: Collection[str], until: datetime, *, lock: bool = False
    ) -> Mapping[str, Sequence[Due]]:
        """By person, the subscriptions whose digest was due by `until`.

        To lock them waits for nobody: those that somebody else holds are left out.
        """
        query = (
            select(
                Subscription.id,
                Subscription.email,
                Subscription.topic,
                Subscription.product_id,
                Subscription.frequency,
                Subscription.time_zone,
                _ENDED,
                SINCE,
                Subscription.digest_at,
            )
            .where(due_of(people, until))
            .order_by(Subscription.id)
        )
        if lock:
            query = query.with_for_update(skip_locked=True)
        found: defaultdict[str, list[Due]] = defaultdict(list)
        for row in await self._session.execute(query):
            found[row.email].append(Due._make(row))
        return found

    async def add(self, told: Sequence[DigestRow]) -> None:
        """Write an email for each person, and the digests unless they are there."""
        if not told:
            return
        session, now = self._session, database_now()
        # In one order, for two who write the same wait for each other.
        digests = sorted({(each.digest_id, each.facts) for each in told})
        connection = await session.connection()
        await connection.execute(
            upsert(session, Digest).values(created_at=now).on_conflict_do_nothing(),
            [{"id": id_, "facts": facts} for id_, facts in digests],
        )
        await connection.execute(
            upsert(session, Notification)
            .values(topic="digest", due_at=now, created_at=now)
            .on_conflict_do_nothing(),
            [
                {
                    "event_id": each.digest_id,
                    "subscription_id": each.subscription_id,
                    "email": each.email,
                }
                for each in told
            ],
        )
        session.on_commit(session.collaborators[MailBell].ring)

    async def move_on(self, next_of: Mapping[UUID, datetime | None]) -> None:
        """Let the next digest of each subscription begin where this one ended; None: no more."""
        connection = await self._session.connection()
        moved = [{"mine": id_, "next": next_} for id_, next_ in next_of.items()]
        await connection.execute(_MOVE, moved)

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget what was made more than `kept` ago, and waits for nobody, of the `limit` oldest.

        Returns how many digests that were.
        """
        oldest = select(Digest.id).order_by(Digest.created_at).limit(limit)
        # By the digest's own rows, of which few are left: PostgreSQL might look through all that
        # waits for a first one.
        waiting = (
            select(_ledger.id)
            .where(_ledger.event_id == Digest.id, unindexed(_ledger.state) == "pending")
            .order_by(_ledger.email)
            .limit(1)
            .correlate(Digest)
            .scalar_subquery()
        )
        gone = await self._session.scalars(
            delete(Digest)
            .where(
                Digest.id.in_(oldest),
                Digest.created_at < database_now(-kept.total_seconds()),
                waiting.is_(None),
            )
            .returning(Digest.id)
        )
        return len(gone.all())


def due_of(people: Collection[str], until: datetime) -> ColumnElement[bool]:
    """The subscriptions of these people whose digest was due by `until`."""
    return and_(one_of(Subscription.email.expression, people), Subscription.digest_at <= until)
