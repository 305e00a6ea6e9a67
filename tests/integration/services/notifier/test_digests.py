"""Digests: who gets one, when the next is due, and each once, whatever happens to their makers."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2
import pytest
from sqlalchemy import delete, func, select, update

from heliograph.database import Session, database_now
from heliograph.service import Retention
from services.notifier import digests as making
from services.notifier.digests import GRACE_S, DigestMaker
from services.notifier.models import Digest, Frequency, Notification, Occasion, Subscription
from services.notifier.repositories.digests import DigestRepository
from services.notifier.repositories.occasions import OccasionRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.service import Notifier
from services.notifier.wishes import Delivery
from tests.databases import postgresql_alone, sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.notifier.conftest import ledger, repriced, tell
from tests.integration.services.notifier.digested import (
    DAY,
    HOUR,
    created,
    digests,
    lowered,
    made,
    make,
    wish,
    wishes,
)
from tests.integration.services.notifier.sending.clock import pass_time
from tests.polling import until
from tests.samples import event, product

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"
MONDAY = 0


async def set_times(notifier: Notifier, since: datetime, due: datetime) -> None:
    async with notifier.database.transaction() as session:
        await session.execute(update(Subscription).values(digested_until=since, digest_at=due))


async def test_what_receivers_hear_of_is_told_in_the_digest(notifier: Notifier) -> None:
    await wish(notifier, ADA, due=DAY)
    await wish(notifier, BOB, "price_drop", due=DAY)
    lamp = product(name="Lamp")
    await tell(notifier, event(lamp, created=True), repriced(lamp, "19.99", "14.99"))
    assert await ledger(notifier) == []
    async with notifier.database.transaction() as session:
        await session.execute(update(Occasion).values(happened_at=database_now(-60)))
        await session.execute(update(Subscription).values(digest_at=database_now(-30)))
    async with running(notifier.digest_maker):
        first, second = await until(lambda: digests(notifier))
    assert (first.email, first.items, first.old) == (ADA, [lamp.id], [None])
    assert (second.email, second.items, second.old) == (BOB, [lamp.id], [1999])
    for each in await ledger(notifier):
        assert (each.topic, each.state, each.product_id) == ("digest", "pending", None)
        assert each.due_at <= datetime.now(UTC) + timedelta(seconds=5)
        assert each.subscription_id in {one.id for one in await wishes(notifier)}


async def test_where_nothing_happened_there_is_no_digest_and_the_next_is_due(
    notifier: Notifier,
) -> None:
    await wish(notifier, ADA)
    await wish(notifier, BOB, "price_drop", product_id=product().id)
    assert await made(notifier) == []
    for each in await wishes(notifier):
        assert each.digest_at is not None
        assert each.digest_at > datetime.now(UTC)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", None])
async def test_the_next_is_due_at_nine_where_the_person_is(
    notifier: Notifier, zone: str | None
) -> None:
    await wish(notifier, ADA, time_zone=zone)
    await wish(notifier, BOB, time_zone=zone, frequency="weekly")
    [due, due_in_a_week] = [each.digest_at for each in await wishes(notifier)]
    await make(notifier)
    daily, weekly = await wishes(notifier)
    assert (daily.digested_until, weekly.digested_until) == (due, due_in_a_week)
    for each, days in ((daily, 1), (weekly, 7)):
        assert each.digest_at is not None
        at = each.digest_at.astimezone(ZoneInfo(zone or "UTC"))
        assert (at.hour, at.minute, at.second) == (9, 0, 0)
        assert timedelta(0) < at - datetime.now(UTC) <= timedelta(days=days, hours=1)
        assert each is daily or at.weekday() == MONDAY


async def test_a_period_is_looked_at_once_all_that_happened_in_it_is_committed(
    notifier: Notifier,
) -> None:
    await created(notifier)
    await wish(notifier, ADA, due=5 - GRACE_S)
    assert await made(notifier) == []
    await set_times(
        notifier,
        datetime.now(UTC) - timedelta(days=1),
        datetime.now(UTC) - timedelta(seconds=GRACE_S + 5),
    )
    assert len(await made(notifier)) == 1


async def test_what_happens_at_the_end_of_a_period_is_told_once(notifier: Notifier) -> None:
    lamp = await created(notifier)
    async with notifier.database.reading() as session:
        at = (await session.scalars(select(Occasion.happened_at))).one()
    tick = timedelta(microseconds=1)
    await wish(notifier, ADA)
    await set_times(notifier, at - timedelta(days=1), at - tick)
    assert await made(notifier) == []
    await set_times(notifier, at - tick, at)
    assert [each.items for each in await made(notifier)] == [[lamp.id]]
    await set_times(notifier, at, at + timedelta(minutes=1))
    assert len(await made(notifier)) == 1


async def test_three_days_asleep_are_one_digest_and_the_rest_comes_in_the_next(
    notifier: Notifier,
) -> None:
    early, late = [await created(notifier, -days * DAY) for days in (3.5, 1.5)]
    await wish(notifier, ADA, since=-4 * DAY, due=-3 * DAY)
    assert [each.items for each in await made(notifier)] == [[early.id]]
    assert len(await made(notifier)) == 1
    async with notifier.database.transaction() as session:
        await session.execute(update(Subscription).values(digest_at=database_now(-60)))
    assert [each.items for each in await made(notifier)] == [[early.id], [late.id]]


async def test_daily_and_weekly_of_one_person_are_one_digest(notifier: Notifier) -> None:
    old, new = [await created(notifier, -days * DAY) for days in (5, 0.5)]
    await wish(notifier, ADA, "new_product", since=-7 * DAY, frequency="weekly")
    chair = product(name="Chair")
    await lowered(notifier, chair, "20", "15", -5 * DAY)
    await lowered(notifier, chair, "15", "12", -HOUR)
    await wish(notifier, ADA, "price_drop")
    [only] = await made(notifier)
    assert only.items == [chair.id, new.id, old.id]
    assert only.old == [1500, None, None]
    assert only.more == 0


async def test_all_who_want_the_same_share_a_digest(notifier: Notifier) -> None:
    await created(notifier)
    people = [f"user{number}@example.org" for number in range(20)]
    for email in people:
        await wish(notifier, email)
    now = datetime.now(UTC)
    await set_times(notifier, now - timedelta(days=1), now - timedelta(minutes=1))
    assert sorted(each.email for each in await made(notifier)) == sorted(people)
    async with notifier.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Digest)) == 1


async def test_two_makers_make_each_persons_digest_once(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "BATCH", 7)
    lamp = await created(notifier)
    people = [f"user{number:02d}@example.org" for number in range(40)]
    for email in people:
        await wish(notifier, email)
        await wish(notifier, email, "price_drop", product_id=lamp.id)
    await lowered(notifier, lamp, "20", "15")
    makers = [DigestMaker(notifier.database, time_zone="UTC") for _ in range(3)]
    async with running(*makers):

        async def all_moved_on() -> bool:
            now = datetime.now(UTC)
            return all(each.digest_at and each.digest_at > now for each in await wishes(notifier))

        await until(all_moved_on)
    told = await digests(notifier)
    assert sorted(each.email for each in told) == people
    assert {tuple(each.items) for each in told} == {(lamp.id,)}


async def test_a_maker_that_ends_between_batches_leaves_the_rest_to_the_next(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(Exception):
        pass

    commits = 0

    async def cut(_session: Session) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            raise PowerCut

    monkeypatch.setattr(making, "BATCH", 2)
    await created(notifier)
    people = [f"user{number}@example.org" for number in range(5)]
    for email in people:
        await wish(notifier, email)
    notifier.database.before_commit(cut)
    with pytest.raises(PowerCut):
        await make(notifier)
    assert len(await digests(notifier)) == 2
    assert sorted(each.email for each in await made(notifier)) == people
    assert len(await made(notifier)) == 5


@postgresql_alone
async def test_whoever_changes_a_subscription_meanwhile_has_all_of_them_in_the_next_round(
    notifier: Notifier,
) -> None:
    lamp = await created(notifier)
    await lowered(notifier, lamp, "20", "15")
    held = await wish(notifier, ADA)
    await wish(notifier, ADA, "price_drop")
    await wish(notifier, BOB)
    async with notifier.database.transaction() as session:
        await session.execute(
            update(Subscription).where(Subscription.id == held).values(locale="de")
        )
        assert [each.email for each in await made(notifier)] == [BOB]
    await make(notifier)
    assert [each.email for each in await digests(notifier)] == [BOB, ADA]


async def deliver(notifier: Notifier, frequency: Frequency, time_zone: str | None = None) -> None:
    """Let everybody be told so from now on."""
    async with notifier.database.transaction() as session:
        subscriptions = SubscriptionRepository(session)
        for each in await session.scalars(select(Subscription)):
            await subscriptions.deliver(each, Delivery(frequency=frequency, time_zone=time_zone))


async def pass_grace(notifier: Notifier) -> None:
    await pass_time(notifier.database, int(GRACE_S) + 1)


async def test_whoever_changes_to_be_told_at_once_has_one_last_digest(notifier: Notifier) -> None:
    chair = product(name="Chair")
    lamp = await created(notifier, -HOUR)
    await lowered(notifier, chair, "20", "15")
    await wish(notifier, ADA, due=HOUR)
    await wish(notifier, BOB, "price_drop", product_id=chair.id, due=DAY, frequency="weekly")
    await deliver(notifier, "instant")
    later = event(created=True)
    await tell(notifier, later)
    assert [(each.email, each.event_id) for each in await ledger(notifier)] == [(ADA, later.id)]
    await pass_grace(notifier)
    told = [(each.email, each.items) for each in await made(notifier)]
    assert sorted(told) == [(ADA, [lamp.id]), (BOB, [chair.id])]
    assert [each.digest_at for each in await wishes(notifier)] == [None, None]
    await deliver(notifier, "daily")
    for each in await wishes(notifier):
        assert each.digested_until
        assert each.digested_until > datetime.now(UTC) - timedelta(seconds=GRACE_S)


async def test_what_was_to_be_told_by_the_last_digest_is_told_whatever_is_changed_meanwhile(
    notifier: Notifier,
) -> None:
    lamp = await created(notifier)
    await wish(notifier, ADA, due=HOUR)
    await deliver(notifier, "instant")
    [last] = await wishes(notifier)
    await deliver(notifier, "instant", "Asia/Tokyo")
    await deliver(notifier, "weekly")
    [kept] = await wishes(notifier)
    assert (kept.digest_at, kept.digested_until) == (last.digest_at, last.digested_until)
    await pass_grace(notifier)
    assert [each.items for each in await made(notifier)] == [[lamp.id]]
    [weekly] = await wishes(notifier)
    assert weekly.digest_at
    assert weekly.digest_at.astimezone(ZoneInfo("Asia/Tokyo")).weekday() == MONDAY
    assert len(await made(notifier)) == 1


async def test_a_digest_that_is_due_is_not_put_off_by_a_change(notifier: Notifier) -> None:
    lamp = await created(notifier)
    await wish(notifier, ADA)
    [due] = await wishes(notifier)
    await deliver(notifier, "weekly", "Asia/Tokyo")
    [kept] = await wishes(notifier)
    assert (kept.digest_at, kept.digested_until) == (due.digest_at, due.digested_until)
    assert [each.items for each in await made(notifier)] == [[lamp.id]]


async def test_the_last_digest_tells_what_happened_since_one_that_is_due(
    notifier: Notifier,
) -> None:
    early, late = [await created(notifier, at) for at in (-3 * HOUR, -HOUR)]
    await wish(notifier, ADA, due=-2 * HOUR)
    await deliver(notifier, "instant")
    await pass_grace(notifier)
    assert [each.items for each in await made(notifier)] == [[late.id, early.id]]


@pytest.mark.parametrize("frequency", ["daily", "instant"])
async def test_who_has_ended_a_subscription_has_no_digests(
    notifier: Notifier, frequency: str
) -> None:
    await created(notifier)
    await wish(notifier, ADA, frequency=frequency)
    async with notifier.database.transaction() as session:
        await session.execute(update(Subscription).values(wish=None))
    assert await made(notifier) == []
    assert [each.digest_at for each in await wishes(notifier)] == [None]


@sqlite_suffices
async def test_a_time_zone_that_is_no_more_is_that_of_the_service(notifier: Notifier) -> None:
    await created(notifier)
    await wish(notifier, ADA, time_zone="Mars/Olympus_Mons")
    assert [each.email for each in await made(notifier)] == [ADA]
    [moved] = await wishes(notifier)
    assert moved.digest_at is not None
    assert moved.digest_at.hour == 9


async def test_what_no_digest_can_tell_any_more_is_forgotten(notifier: Notifier) -> None:
    for days in (30, 12, 3):
        await created(notifier, -days * DAY)
    await wish(notifier, ADA, since=-13 * DAY, due=DAY)
    retention = Retention(
        notifier.database, lambda session, limit: OccasionRepository(session).prune(limit)
    )
    assert await retention.prune() == 1
    assert await retention.prune() == 0
    await make(notifier)
    async with notifier.database.transaction() as session:
        await session.execute(update(Subscription).values(digested_until=database_now(-60)))
    assert await retention.prune() == 1
    async with notifier.database.transaction() as session:
        await session.execute(update(Subscription).values(digest_at=None))
        await session.execute(update(Occasion).values(happened_at=database_now(-9 * DAY)))
    assert await retention.prune() == 1


async def test_digests_are_forgotten_after_the_ledger_and_while_they_wait_for_nobody(
    notifier: Notifier,
) -> None:
    await created(notifier)
    await wish(notifier, ADA)
    assert len(await made(notifier)) == 1
    retention = Retention(
        notifier.database,
        lambda session, limit: DigestRepository(session).prune(timedelta(days=31), limit),
    )
    for days, state, forgotten in ((30.5, "sent", 0), (31.5, "pending", 0), (31.5, "sent", 1)):
        async with notifier.database.transaction() as session:
            await session.execute(update(Digest).values(created_at=database_now(-days * DAY)))
            await session.execute(update(Notification).values(state=state))
        assert await retention.prune() == forgotten
    async with notifier.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Notification)) == 1


async def test_an_email_whose_digest_is_forgotten_is_none_and_stops_no_other(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    await created(notifier)
    await wish(notifier, ADA)
    await made(notifier)
    async with notifier.database.transaction() as session:
        await session.execute(delete(Digest))
    await wish(notifier, BOB, since=-2 * DAY)
    await made(notifier)
    first, _ = await ledger(notifier)
    assert (await client.get(f"/v1/notifications/{first.id}/content")).status_code == 404
    claimed = await notifier.claims.claim(10)
    assert [each.addressee.recipient for each in claimed.emails] == [BOB]
    first, _ = await ledger(notifier)
    assert (first.state, first.reason) == ("cancelled", "the digest is forgotten")
    assert (await client.get(f"/v1/notifications/{first.id}/content")).status_code == 404
