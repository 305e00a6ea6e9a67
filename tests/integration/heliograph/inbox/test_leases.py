"""Who runs when: subjects take turns, and what ends its process takes no other with it."""

from uuid import UUID

import pytest
from sqlalchemy import text, update

from heliograph.database import database_now
from heliograph.inbox.leases import Claimed
from heliograph.inbox.reading import Entry
from tests.integration.heliograph.conftest import House, inbox_rows
from tests.integration.heliograph.inbox.test_worker import delivery, receives
from tests.samples import event, product
from tests.statements import rows_read

ATTEMPTS = 3


async def ignore(event: object) -> None:
    """A receiver that a test runs by hand."""


RECEIVER = receives(ignore)


async def end_leases(house: House) -> None:
    async with house.database.transaction() as session:
        await session.execute(update(inbox_rows).values(due_at=database_now(-1)))


async def finish(house: House, rows: list[Claimed]) -> None:
    async with house.database.transaction() as session:
        await house.inbox.finish(session, rows)


def entries(count: int) -> list[Entry]:
    """So many events, each of a subject of its own, that nobody can read."""
    return [
        Entry(
            f"event {number}", str(UUID(int=number)), "catalog.product.post_save", b"{}", b"", None
        )
        for number in range(count)
    ]


async def test_an_event_that_ends_its_process_takes_no_other_with_it(house: House) -> None:
    poison, *innocent = [event(product()) for _ in range(6)]
    await house.accept(RECEIVER, [delivery(each) for each in (poison, *innocent)])
    deaths = 0
    for _ in range(30):
        claimed = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
        if any(row.headers["ce-id"] == str(poison.id) for row in claimed):
            deaths += 1
            await end_leases(house)
        elif claimed:
            await finish(house, claimed)
    assert deaths == ATTEMPTS
    [parked] = await house.inbox.parked.page()
    assert parked.event_id == str(poison.id)
    assert parked.reason == "no report from attempt 3: its process or its lease ended"
    status = await house.inbox.status()
    assert status[("ignore", "done")] == len(innocent)


async def test_one_suspect_is_claimed_at_a_time_beside_fresh_events(house: House) -> None:
    await house.accept(RECEIVER, [delivery(event(product())) for _ in range(3)])
    assert len(await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)) == 3
    await end_leases(house)
    await house.accept(RECEIVER, [delivery(event(product()))])
    claimed = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
    assert sorted(row.suspect for row in claimed) == [False, True]


async def test_an_event_that_failed_and_said_so_is_no_suspect(house: House) -> None:
    await house.accept(RECEIVER, [delivery(event(product())) for _ in range(3)])
    claimed = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
    await house.inbox.retry(claimed, "ValueError: no light today", 0)
    again = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
    assert [row.suspect for row in again] == [False] * 3
    assert [row.attempts for row in again] == [2] * 3


async def test_subjects_take_turns(house: House) -> None:
    lamps = [product() for _ in range(3)]
    events = [event(lamp, version=version) for version in (1, 2) for lamp in lamps]
    await house.accept(RECEIVER, [delivery(each) for each in events])
    ran: list[str] = []
    while claimed := await house.inbox.claim(RECEIVER, 1, attempts=ATTEMPTS):
        await finish(house, claimed)
        ran += [str(row.headers["ce-subject"]) for row in claimed]
    assert ran == 2 * sorted(str(lamp.id) for lamp in lamps)


async def test_many_held_events_do_not_hide_the_free_ones(house: House) -> None:
    stuck, free = product(), product()
    await house.accept(
        RECEIVER, [delivery(event(stuck, version=version)) for version in range(1, 200)]
    )
    [first] = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
    await house.inbox.park([first], "stuck")
    await house.accept(RECEIVER, [delivery(event(free))])
    [claimed] = await house.inbox.claim(RECEIVER, 8, attempts=ATTEMPTS)
    assert claimed.headers["ce-subject"] == str(free.id)


async def test_a_claim_that_was_planned_for_an_empty_inbox_bears_a_burst(house: House) -> None:
    """PostgreSQL keeps a plan after a few runs, and learns of new rows a minute later."""
    for _ in range(10):
        assert await house.inbox.claim(RECEIVER, 16, attempts=ATTEMPTS) == []
    await house.inbox.accept(RECEIVER, entries(10_000))
    for _ in range(3):
        assert len(await house.inbox.claim(RECEIVER, 16, attempts=ATTEMPTS)) == 16


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_an_event_that_is_done_is_looked_up_and_not_sought_among_all_that_wait(
    house: House,
) -> None:
    await house.inbox.accept(RECEIVER, entries(300))
    async with house.database.transaction() as session:
        await session.execute(update(inbox_rows).values(state="done"))
    async with house.database.transaction() as session:
        await session.execute(text("ANALYZE inbox"))  # which finds that nothing waits
    await house.accept(RECEIVER, [delivery(event(product())) for _ in range(1_000)])
    rows = await house.inbox.claim(RECEIVER, 4, attempts=ATTEMPTS)
    async with house.database.transaction() as session:
        before = await rows_read(session, "inbox")
        await house.inbox.finish(session, rows)
        read = await rows_read(session, "inbox") - before
    assert len(rows) == 4
    assert read < 20, read
