"""What became of an event at each receiver, and why it failed there."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, text, update

from heliograph import Event
from heliograph.database import database_now
from heliograph.inbox import Inbox
from heliograph.inbox.failures import MOST_FAILURES
from heliograph.inbox.handlings import Handling, query_of
from heliograph.inbox.leases import Claimed
from heliograph.signals import QueuedReceiver
from heliograph.waiting import LEASE_S
from tests.integration.heliograph.conftest import House, inbox_rows
from tests.integration.heliograph.inbox.test_worker import delivery, receives
from tests.samples import event, product

ATTEMPTS = 8
SILENT = "no report from attempt {}: its process or its lease ended"


async def index(event: object) -> None:
    """A receiver that a test runs by hand."""


async def mail(event: object) -> None:
    """Another."""


INDEX = receives(index)
MAIL = receives(mail)


async def claim(house: House, receiver: QueuedReceiver = INDEX) -> list[Claimed]:
    return await house.inbox.claim(receiver, 8, attempts=ATTEMPTS)


async def end_leases(house: House) -> None:
    async with house.database.transaction() as session:
        await session.execute(update(inbox_rows).values(due_at=database_now(-1)))


async def handling(house: House, sent: Event[Any]) -> Handling:
    [found] = await house.inbox.handlings.of(str(sent.id))
    return found


async def state(house: House, sent: Event[Any]) -> str:
    return (await handling(house, sent)).state


async def reasons(house: House, sent: Event[Any]) -> list[str]:
    return [each.reason for each in (await handling(house, sent)).failures]


async def test_each_receiver_that_has_got_an_event_is_told_of(house: House) -> None:
    sent = event()
    assert await house.inbox.handlings.of(str(sent.id)) == []
    await house.accept(MAIL, [delivery(sent), delivery(event())])
    await house.accept(INDEX, [delivery(sent)])
    await house.inbox.finish_all(await claim(house))

    indexed, mailed = await house.inbox.handlings.of(str(sent.id))

    assert (indexed.receiver, indexed.state, indexed.attempts) == ("index", "done", 1)
    assert indexed.started_at is not None
    assert indexed.finished_at is not None
    assert indexed.accepted_at <= indexed.started_at <= indexed.finished_at
    assert (indexed.reason, indexed.failures) == (None, ())
    assert (mailed.receiver, mailed.state, mailed.attempts) == ("mail", "pending", 0)
    assert (mailed.started_at, mailed.finished_at) == (None, None)


async def test_every_state_is_told_as_it_comes(house: House) -> None:
    lamp = product()
    first, second, third = (event(lamp, version=version) for version in (1, 2, 3))
    await house.accept(INDEX, [delivery(each) for each in (first, second, third)])
    claimed = await claim(house)
    assert [await state(house, each) for each in (first, second)] == ["running", "pending"]

    await house.inbox.retry(claimed, "ValueError: no light today", 60)
    assert [await state(house, each) for each in (first, second)] == ["pending", "pending"]
    await end_leases(house)
    await house.inbox.park(await claim(house), "no light ever")
    assert [await state(house, each) for each in (first, second)] == ["parked", "held"]
    other = event()
    await house.accept(INDEX, [delivery(other)])
    assert await state(house, other) == "pending"

    [parked] = await house.inbox.parked.page()
    await house.inbox.parked.discard([parked.id])
    assert [await state(house, each) for each in (first, second)] == ["discarded", "pending"]
    discarded = await handling(house, first)
    assert discarded.reason == "no light ever"
    assert discarded.finished_at is not None
    await claim(house)
    assert [await state(house, each) for each in (second, third)] == ["running", "pending"]
    await end_leases(house)
    assert await state(house, second) == "pending"


async def test_nothing_is_held_where_no_order_is_kept(house: House) -> None:
    lamp = product()
    first, second = event(lamp), event(lamp)
    await house.accept(INDEX, [delivery(first)], gave_up="nobody took it")
    await house.accept(INDEX, [delivery(second)])
    assert await state(house, second) == "held"
    inbox = Inbox(house.database, inbox_rows, house.inbox.bell, unordered=["index"])
    [found] = await inbox.handlings.of(str(second.id))
    assert found.state == "pending"


async def test_what_was_parked_as_it_came_has_a_reason_and_no_failures(house: House) -> None:
    sent = event()
    await house.accept(INDEX, [delivery(sent)], gave_up="nobody took it")
    found = await handling(house, sent)
    assert (found.state, found.reason, found.attempts) == ("parked", "nobody took it", 0)
    assert (found.started_at, found.failures) == (None, ())


async def test_the_last_failures_are_kept_the_oldest_first_and_survive_a_redrive(
    house: House,
) -> None:
    sent = event()
    await house.accept(INDEX, [delivery(sent)])
    for number in range(MOST_FAILURES):
        await house.inbox.retry(await claim(house), f"failure {number}", 0)
    assert await reasons(house, sent) == [f"failure {each}" for each in range(MOST_FAILURES)]
    await end_leases(house)
    await house.inbox.parked.redrive(None)
    assert await house.inbox.claim(INDEX, 8, attempts=ATTEMPTS) == []
    [parked] = await house.inbox.parked.page()
    await house.inbox.parked.redrive([parked.id])

    assert (await handling(house, sent)).attempts == 0
    await house.inbox.park(await claim(house), "failure 8")
    found = await handling(house, sent)
    assert [each.reason for each in found.failures] == [f"failure {each}" for each in range(1, 9)]
    assert found.failures == tuple(sorted(found.failures, key=lambda each: each.at))
    assert found.started_at is not None
    assert found.accepted_at < found.failures[0].at < found.started_at < found.failures[-1].at
    shown = await house.inbox.parked.show(parked.id)
    assert shown is not None
    assert shown.failures == found.failures

    await house.inbox.parked.redrive([parked.id])
    await house.inbox.finish_all(await claim(house))
    done = await handling(house, sent)
    assert (done.state, done.attempts, done.reason) == ("done", 1, None)
    assert done.failures == found.failures


async def test_a_failure_is_short_and_tells_no_secret(house: House) -> None:
    sent = event()
    await house.accept(INDEX, [delivery(sent)])
    reason = "cannot reach amqp://me:hush@host/\0 \N{SNOWMAN}\"'\\ " + "x" * 1000
    await house.inbox.retry(await claim(house), reason, 0)
    [told] = await reasons(house, sent)
    assert told.startswith("cannot reach amqp://me:***@host/\N{REPLACEMENT CHARACTER} \N{SNOWMAN}")
    assert "\"'\\ xxx" in told
    assert len(told) == 500


async def test_an_attempt_that_ended_its_process_is_a_failure_when_its_lease_ends(
    house: House,
) -> None:
    sent = event()
    await house.accept(INDEX, [delivery(sent)])
    for number in range(1, ATTEMPTS + 1):
        assert len(await claim(house)) == 1
        assert len(await reasons(house, sent)) == number - 1
        await end_leases(house)
    before = await handling(house, sent)
    assert await claim(house) == []

    found = await handling(house, sent)
    assert found.state == "parked"
    assert found.reason == SILENT.format(ATTEMPTS)
    assert [each.reason for each in found.failures] == [
        SILENT.format(number) for number in range(1, ATTEMPTS + 1)
    ]
    assert found.started_at == before.started_at
    assert found.started_at is not None
    # The lease was let run out a second before that moment.
    assert abs(found.failures[-1].at - found.started_at) < timedelta(seconds=LEASE_S)


async def test_what_a_stopped_program_hands_back_is_no_failure(house: House) -> None:
    sent = event()
    await house.accept(INDEX, [delivery(sent)])
    await house.inbox.hand_back(await claim(house))
    fresh = await handling(house, sent)
    assert (fresh.attempts, fresh.reason, fresh.failures) == (0, None, ())
    await house.inbox.retry(await claim(house), "ValueError: no light today", 0)

    await house.inbox.hand_back(await claim(house))
    again = await handling(house, sent)
    assert (again.state, again.attempts) == ("pending", 1)
    assert again.reason == "handed back: its program was stopped"
    [row] = await claim(house)
    assert not row.suspect
    assert await reasons(house, sent) == ["ValueError: no light today"]


async def test_a_receiver_that_the_service_no_longer_has_is_told_of(house: House) -> None:
    sent = event()
    for name in ("a", "b", "z"):
        row = insert(inbox_rows).values(
            receiver=name, event_id=str(sent.id), routing_key="k", headers=b"{}", body=b"",
            state="pending", due_at=database_now(), received_at=database_now(),
        )  # fmt: skip
        async with house.database.transaction() as session:
            await session.execute(row)
    assert [each.receiver for each in await house.inbox.handlings.of(str(sent.id))] == [
        "a", "b", "z",
    ]  # fmt: skip


async def test_an_index_finds_an_event_among_all_that_is_remembered(house: House) -> None:
    row = insert(inbox_rows).values(
        receiver="index", routing_key="k", headers=b"{}", body=b"", state="done",
        due_at=database_now(), received_at=database_now(), finished_at=database_now(),
    )  # fmt: skip
    rows = [{"event_id": str(uuid4())} for _ in range(5000)]
    async with house.database.transaction() as session:
        await (await session.connection()).execute(row, rows)

    def plan(connection: Connection) -> str:
        connection.execute(text("ANALYZE inbox"))
        query = query_of(inbox_rows, ["mail"]).params(event=rows[0]["event_id"])
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        how = "EXPLAIN QUERY PLAN" if house.database.is_sqlite else "EXPLAIN"
        return "\n".join(map(str, connection.exec_driver_sql(f"{how} {compiled}")))

    async with house.database.engine.begin() as connection:
        told = await connection.run_sync(plan)
    assert "inbox_once" in told
    assert "Seq Scan on inbox" not in told
    assert "SCAN inbox" not in told
