"""Digests: what happened since the last one, told at nine in the morning where the person is.

A digest's facts are JSON: `{"items": [{"topic", "product_id", "currency", "old_minor"}, …],
"more": n}`, lower prices first, the greatest first, then new products, the newest first. Each
product stands there once. `old_minor` is the price before the first drop of the period, None for
a new product; `more` tells how many there are besides.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfoNotFoundError

import structlog

from heliograph import DatabaseUnavailable
from heliograph.crash import crash_point
from heliograph.database import Database
from heliograph.waiting import Trouble, pause_after, stopped_within
from services.notifier.digest_times import next_digest
from services.notifier.models import Frequency, Topic
from services.notifier.repositories.digests import DigestRepository, DigestRow, Due, Place
from services.notifier.repositories.occasions import (
    CANDIDATES,
    Found,
    Happened,
    OccasionRepository,
)

log = structlog.stdlib.get_logger(__name__)

GRACE_S = 20.0
"""Age at which a period can be looked at: by then what was to be noted in it is committed.

What happened is dated by the database's clock as it is written, and no transaction lasts longer
than its process may be silent (15 s), nor a receiver's longer than its lease (`LEASE_S`).
"""

POLL_S = 2.0
"""Between looks for digests that are due."""

BATCH = 500
"""Subscriptions of one transaction; of the last person all that are due go with them."""

REMEMBERED = 256
"""Answers to what happened in a period; those who want the same share one."""

NOTHING = Found((), 0)

_NAMESPACE = UUID("0b5f4c0e-6a0d-4a5b-9d5e-2f6a8f6f4c11")


class Period(NamedTuple):
    """What all who want to hear of any product on a topic are told alike."""

    topic: Topic
    since: datetime
    until: datetime


class DigestMaker:
    """Writes the digests that are due; any number of makers may run.

    What some people are told, and when their next digests are due, is one transaction, in which
    their subscriptions are locked: each digest is made once, whenever a maker ends. One that is
    overdue tells of its own period, and is one however many it should be; the next tells the rest.
    """

    name = "digests"

    def __init__(self, database: Database, *, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone
        """Of people who named none."""
        self._found: dict[Period, Found] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        trouble = Trouble("digests wait", "digests are made again")
        failures = 0
        while not stopping.is_set():
            try:
                await self.make_due(stopping)
                trouble.end()
                pause, failures = POLL_S, 0
            except DatabaseUnavailable as error:
                trouble.begin(str(error))
                pause, failures = pause_after(failures), failures + 1
            await stopped_within(stopping, pause)

    async def make_due(self, stopping: asyncio.Event) -> None:
        """Make what is due, but for people of whom somebody else holds a subscription now."""
        async with self._database.reading() as session:
            now = await DigestRepository(session).now()
        self._found.clear()
        behind = None
        # Begins behind the last, for what is done stays in the index until it is vacuumed.
        while not stopping.is_set():
            behind = await self._make_some(now, behind)
            if behind is None:
                return

    async def _make_some(self, now: datetime, behind: Place | None) -> Place | None:
        """Make the digests of those whose turn it is; returns the last of them."""
        until = now - timedelta(seconds=GRACE_S)
        async with self._database.reading() as session:
            repository = DigestRepository(session)
            places = await repository.due(until, behind, BATCH)
            if not places:
                return None
            people = sorted({each.email for each in places})
            due = await repository.wanted(people, until)
            told = await self._told(OccasionRepository(session), due, until)
        async with self._database.transaction() as session:
            repository = DigestRepository(session)
            locked = await repository.wanted(people, until, lock=True)
            # All of a person or none, and as they were looked at: a person's digest is one.
            mine = {email: each for email, each in locked.items() if each == due.get(email)}
            if mine:
                await repository.add([each for each in told if each.email in mine])
                await repository.move_on(self._next_of(chain.from_iterable(mine.values()), now))
                crash_point("digest.before_commit")
        return places[-1]

    async def _told(
        self,
        occasions: OccasionRepository,
        due: Mapping[str, Sequence[Due]],
        until: datetime,
    ) -> list[DigestRow]:
        """What there is to tell; of those for whom there is nothing, nothing."""
        watched: Mapping[UUID, Happened] = {}
        if any(each.product_id for theirs in due.values() for each in theirs):
            watched = await occasions.of_watched(due.keys(), until)
        digests: dict[object, tuple[UUID, str]] = {}
        told = []
        for email, theirs in due.items():
            answers = {}
            for each in theirs:
                what, found = await self._answer(occasions, each, watched)
                if found.of:
                    answers[what] = each, found
            if not answers:
                continue
            digest_at = max(each.until for each, _ in answers.values())
            key = (digest_at, *answers)
            if key not in digests:
                digests[key] = digest([found for _, found in answers.values()], digest_at)
            first, _ = next(iter(answers.values()))
            told.append(DigestRow(*digests[key], first.id, email))
        return told

    async def _answer(
        self,
        occasions: OccasionRepository,
        due: Due,
        watched: Mapping[UUID, Happened],
    ) -> tuple[object, Found]:
        """What happened that the subscription is to tell of, and by what the same is known."""
        if due.ended:
            return None, NOTHING
        if due.product_id is not None:
            happened = watched.get(due.id)
            return happened, NOTHING if happened is None else Found([happened], 1)
        period = Period(due.topic, due.since, due.until)
        if (found := self._found.pop(period, None)) is None:
            look = occasions.all_news if period.topic == "new_product" else occasions.all_drops
            found = await look(period.since, period.until)
            if len(self._found) >= REMEMBERED:
                del self._found[next(iter(self._found))]
        # Behind all others: the one that was not asked for longest is forgotten first.
        self._found[period] = found
        return period, found

    def _next_of(self, due: Iterable[Due], now: datetime) -> dict[UUID, datetime | None]:
        """When the next digest of each is due; None if this was the last."""

        @cache
        def next_(frequency: Frequency, time_zone: str | None) -> datetime:
            try:
                return next_digest(now, frequency, time_zone or self._time_zone)
            except (ZoneInfoNotFoundError, ValueError):
                # One that the database of time zones had once must not stop all others.
                log.warning("unknown time zone", time_zone=time_zone)
                return next_digest(now, frequency, self._time_zone)

        return {
            each.id: None
            if each.ended or each.frequency == "instant"
            else next_(each.frequency, each.time_zone)
            for each in due
        }


def digest(found: Iterable[Found], digest_at: datetime) -> tuple[UUID, str]:
    """Put together what one person is told: id and facts; each product once, by its greatest drop.

    The id follows from the rest, so that all who are told the same share it, whoever makes it.
    `more` counts a product again that two wishes tell of and neither shows.
    """
    answers = list(found)
    items: dict[UUID, Happened] = {}
    for each in sorted(chain.from_iterable(each.items for each in answers), key=_place):
        items.setdefault(each.product_id, each)
    again = sum(len(each.items) for each in answers) - len(items)
    shown = list(items.values())[:CANDIDATES]
    facts = {
        "items": [
            {
                "topic": each.topic,
                "product_id": str(each.product_id),
                "currency": each.currency,
                "old_minor": each.old_minor,
            }
            for each in shown
        ],
        "more": sum(each.of for each in answers) - again - len(shown),
    }
    text = json.dumps(facts)
    return uuid5(_NAMESPACE, f"{digest_at.isoformat()} {text}"), text


def _place(happened: Happened) -> tuple[float, float, UUID]:
    if happened.old_minor is None or happened.new_minor is None:
        return 2.0, -happened.happened_at.timestamp(), happened.product_id
    return happened.new_minor / happened.old_minor, 0.0, happened.product_id
