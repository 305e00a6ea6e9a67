"""What counts against an address, what does not, and for how long."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from heliograph.database import database_now
from heliograph.events import new_id
from heliograph.service import Retention
from services.notifier.models import Bounce, Notification, Suppression
from services.notifier.repositories.bounces import BounceRepository, Outcome
from services.notifier.repositories.people import PeopleRepository
from services.notifier.service import Notifier
from tests.databases import postgresql_alone
from tests.integration.services.notifier.conftest import sent

ADA, BOB = "ada@example.org", "bob@example.org"


async def record(
    notifier: Notifier, message_id: str, email: str = ADA, kind: Any = "hard", detail: Any = None
) -> Outcome:
    async with notifier.database.transaction() as session:
        return await BounceRepository(session).record(
            email=email, kind=kind, message_id=message_id, detail=detail
        )


async def suppressed(notifier: Notifier) -> dict[str | None, tuple[str, str | None]]:
    async with notifier.database.reading() as session:
        return {
            each.email: (each.reason, each.detail)
            for each in await session.scalars(select(Suppression))
        }


async def bounces(notifier: Notifier) -> list[tuple[str, str | None]]:
    async with notifier.database.reading() as session:
        found = await session.scalars(select(Bounce).order_by(Bounce.id))
        return [(each.kind, each.detail) for each in found]


async def test_the_second_email_that_bounces_hard_suppresses_the_address(
    notifier: Notifier,
) -> None:
    first, second = await sent(notifier, ADA), await sent(notifier, ADA)
    assert await record(notifier, first) == "counted"
    assert await suppressed(notifier) == {}
    said = "550 5.1.1 no\nsuch user"
    assert await record(notifier, second, detail=said) == "suppressed"
    assert await suppressed(notifier) == {ADA: ("bounced", "550 5.1.1 no such user")}


async def test_an_email_that_comes_back_twice_counts_once(notifier: Notifier) -> None:
    message_id = await sent(notifier, ADA)
    assert await record(notifier, message_id) == "counted"
    for again in (
        message_id,
        message_id.strip("<>"),
        f" {message_id.upper()} ",
        message_id.replace("shop.example", "elsewhere.example"),
    ):
        assert await record(notifier, again) == "known"
    assert await suppressed(notifier) == {}


async def test_two_people_who_bounce_once_are_written_to(notifier: Notifier) -> None:
    for email in (ADA, BOB):
        assert await record(notifier, await sent(notifier, email), email) == "counted"
    assert await suppressed(notifier) == {}


async def test_one_complaint_suppresses(notifier: Notifier) -> None:
    message_id = await sent(notifier, ADA)
    assert await record(notifier, message_id, kind="complaint") == "suppressed"
    assert await record(notifier, message_id, kind="complaint") == "known"
    assert await suppressed(notifier) == {ADA: ("complained", None)}


async def test_soft_ones_are_kept_and_never_suppress(notifier: Notifier) -> None:
    message_ids = [await sent(notifier, ADA) for _ in range(3)]
    for message_id in message_ids:
        assert await record(notifier, message_id, kind="soft", detail="452 full") == "counted"
        assert await record(notifier, message_id, kind="soft") == "known"
    assert await bounces(notifier) == [("soft", "452 full")] * 3
    assert await record(notifier, message_ids[0]) == "counted"
    assert await suppressed(notifier) == {}


async def test_who_is_suppressed_already_keeps_the_first_reason(notifier: Notifier) -> None:
    async with notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(ADA, "forgotten")
    assert await record(notifier, await sent(notifier, ADA), kind="complaint") == "suppressed"
    assert await suppressed(notifier) == {ADA: ("forgotten", None)}


@pytest.mark.parametrize("kind", ["hard", "soft", "complaint"])
async def test_what_we_did_not_send_to_that_recipient_counts_nothing(
    notifier: Notifier, kind: str
) -> None:
    ours = await sent(notifier, ADA)
    event_id, _, rest = ours.strip("<>").partition(".")
    subscription_id, _, domain = rest.partition("@")
    waits = await sent(notifier, ADA, state="pending")
    cancelled = await sent(notifier, ADA, state="cancelled")
    merged = await sent(notifier, ADA, told_by=1)
    for message_id, email in (
        (ours, BOB),
        (f"<{event_id}.{new_id()}@{domain}>", ADA),
        (f"<{new_id()}.{subscription_id}@{domain}>", ADA),
        (f"<{subscription_id}.{event_id}@{domain}>", ADA),
        (f"{ours} {ours}", ADA),
        (f"<{event_id}@{domain}>", ADA),
        ("<1@elsewhere.example>", ADA),
        ("", ADA),
        ("\0", ADA),
        (waits, ADA),
        (cancelled, ADA),
        (merged, ADA),
    ):
        assert await record(notifier, message_id, email, kind) == "foreign"
    assert await bounces(notifier) == []
    assert await suppressed(notifier) == {}


async def test_an_email_that_may_have_been_sent_can_bounce(notifier: Notifier) -> None:
    uncertain = await sent(notifier, ADA, state="pending", told_at=database_now())
    refused = await sent(notifier, ADA, state="failed")
    assert await record(notifier, uncertain) == "counted"
    assert await record(notifier, refused) == "suppressed"


@postgresql_alone
async def test_two_that_are_recorded_at_once_are_two(notifier: Notifier) -> None:
    for number in range(5):
        email = f"user{number}@example.org"
        async with asyncio.TaskGroup() as tasks:
            for message_id in [await sent(notifier, email) for _ in range(2)]:
                tasks.create_task(record(notifier, message_id, email))
    assert len(await suppressed(notifier)) == 5


async def test_bounces_are_forgotten_in_time_and_count_no_more(notifier: Notifier) -> None:
    async def age(days: int) -> None:
        async with notifier.database.transaction() as session:
            await session.execute(update(Bounce).values(created_at=database_now(-days * 86_400.0)))

    forgetful = Retention(
        notifier.database,
        lambda session, limit: BounceRepository(session).prune(timedelta(days=30), limit),
    )
    for email in (ADA, BOB):
        await record(notifier, await sent(notifier, email), email)
    await age(29)
    assert await forgetful.prune() == 0
    await age(31)
    assert [await forgetful.prune(limit=1) for _ in range(3)] == [1, 1, 0]
    assert await record(notifier, await sent(notifier, ADA)) == "counted"
    assert await suppressed(notifier) == {}


async def test_the_notifier_forgets_them_with_the_ledger(notifier: Notifier) -> None:
    await record(notifier, await sent(notifier, ADA))
    async with notifier.database.transaction() as session:
        for table in (Bounce, Notification):
            await session.execute(update(table).values(created_at=database_now(-366 * 86_400.0)))
    for memory in notifier.pruned:
        await memory.prune()
    assert await bounces(notifier) == []
