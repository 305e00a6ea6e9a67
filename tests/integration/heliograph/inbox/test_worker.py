import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

import contracts
from heliograph import Event, Park
from heliograph.bus import Delivery
from heliograph.database import Session, database_now
from heliograph.events import EventKind, encode
from heliograph.inbox import Consumer, Inbox, LeaseLost, Worker
from heliograph.logging import masked
from heliograph.signals import QueuedReceiver
from heliograph.waiting import Retries
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, inbox_rows, running
from tests.polling import until
from tests.samples import event, product

QUICK = Retries(attempts=3, first=0.01, longest=0.02)


def receives(function: Callable[..., Any], **options: Any) -> QueuedReceiver:
    listens = tuple(EventKind(name, contracts.Product) for name in ("pre_save", "post_save"))
    return QueuedReceiver(function, listens, (), **options)


def delivery(sent: Event[Any]) -> Delivery:
    message = encode(sent)
    return Delivery("q", message.routing_key, message.headers, message.body, message.id)


async def states(house: House) -> dict[str, int]:
    return {state: count for (_, state), count in (await house.inbox.status()).items()}


@asynccontextmanager
async def working(
    house: House, receiver: QueuedReceiver, retries: Retries = QUICK
) -> AsyncIterator[None]:
    async with running(Worker([receiver], house.inbox, retries=retries)):
        yield


async def test_an_event_runs_once_although_it_comes_twice(house: House) -> None:
    seen: list[str] = []

    async def note(event: Event[contracts.Product]) -> None:
        seen.append(event.instance.name)

    receiver = receives(note)
    twice = delivery(event())
    await house.accept(receiver, [twice, twice])
    async with working(house, receiver):
        await until(lambda: seen)
        await house.accept(receiver, [twice])
        other = delivery(event(product(name="Chair")))
        await house.accept(receiver, [other])
        await until(lambda: len(seen) > 1)
    assert seen == ["Lamp", "Chair"]
    assert await states(house) == {"done": 2}


@sqlite_suffices
async def test_plain_functions_run_too(house: House) -> None:
    seen: list[str] = []

    def note(event: Event[contracts.Product]) -> None:
        seen.append(event.signal)

    receiver = receives(note)
    await house.accept(receiver, [delivery(event())])
    async with working(house, receiver):
        await until(lambda: seen == ["post_save"])


async def test_a_reason_tells_no_values(house: House) -> None:
    async def fail(event: Event[contracts.Product], session: Session) -> None:
        await session.execute(text("CREATE TABLE person (email text UNIQUE)"))
        for _ in range(2):
            await session.execute(
                text("INSERT INTO person VALUES (:email)"), {"email": "hush@example.com"}
            )

    receiver = replace(receives(fail), needs=(Session,))
    await house.accept(receiver, [delivery(event())])
    with capture_logs() as logged:
        async with working(house, receiver):
            await until(lambda: _states_are(house, parked=1))
    [parked] = await house.inbox.parked.page()
    assert "IntegrityError" in parked.reason
    assert "hush" not in parked.reason
    for each in logged:
        shown = traceback.format_exception(each["exc_info"]) if "exc_info" in each else []
        assert "hush" not in masked("".join([repr(each), *shown]))


async def test_a_failing_event_is_retried_then_parked_and_holds_its_subject_only(
    house: House,
) -> None:
    lamp, chair = product(), product(name="Chair")
    attempts: list[str] = []
    broken = True

    async def fail(event: Event[contracts.Product]) -> None:
        attempts.append(event.sequence or "")
        if broken and event.instance.id == lamp.id:
            raise ValueError("no light today")

    receiver = receives(fail)
    await house.accept(
        receiver,
        [
            delivery(event(lamp, sequence="1")),
            delivery(event(lamp, sequence="2")),
            delivery(event(chair, sequence="3")),
            delivery(event(lamp, sequence="4")),
        ],
    )
    async with working(house, receiver):
        await until(lambda: _states_are(house, parked=1, held=2, done=1))
        assert attempts.count("1") == 3
        assert attempts.count("3") == 1
        [parked] = await house.inbox.parked.page()
        assert parked.reason == "ValueError: no light today"
        assert parked.attempts == 3
        assert parked.subject == str(lamp.id)

        broken = False
        attempts.clear()
        assert await house.inbox.parked.redrive([parked.id]) == 1
        await until(lambda: _states_are(house, done=4))
    assert attempts == ["1", "2", "4"]


async def test_nothing_is_held_where_no_order_is_kept(house: House) -> None:
    lamp = product()

    async def park(event: Event[contracts.Product]) -> None:
        raise Park("not this one")

    receiver = receives(park, ordered=False)
    inbox = Inbox(house.database, house.inbox.table, house.inbox.bell, unordered=[receiver.name])
    await house.accept(receiver, [delivery(event(lamp))])
    async with working(house, receiver):
        await until(lambda: _states_are(house, parked=1))
    await house.accept(receiver, [delivery(event(lamp))])
    assert await inbox.status() == {(receiver.name, "parked"): 1, (receiver.name, "pending"): 1}


async def _states_are(house: House, **expected: int) -> bool:
    return await states(house) == expected


async def test_discarding_releases_the_events_behind(house: House) -> None:
    lamp = product()
    seen: list[str] = []

    async def fail_once(event: Event[contracts.Product]) -> None:
        if event.signal == "pre_save":
            raise Park("not this one")
        seen.append(event.signal)

    receiver = receives(fail_once)
    await house.accept(receiver, [delivery(event(lamp, signal="pre_save")), delivery(event(lamp))])
    async with working(house, receiver):
        [parked] = await until(house.inbox.parked.page)
        assert (parked.reason, parked.attempts) == ("not this one", 1)
        assert await house.inbox.parked.discard([parked.id, 999]) == 1
        await until(lambda: seen)
    assert await states(house) == {"discarded": 1, "done": 1}


async def test_what_cannot_be_read_is_parked_and_its_neighbours_flow(house: House) -> None:
    seen: list[str] = []

    async def note(event: Event[contracts.Product]) -> None:
        seen.append(event.instance.name)

    receiver = receives(note)
    good = delivery(event())
    bad = Delivery("q", good.routing_key, good.headers, b"\xff\x00{", good.message_id)
    strange = Delivery("q", "k\x00", {"ce-id": b"\xff", "n": 1}, b"", None)
    await house.accept(receiver, [bad, strange, good, bad])
    async with working(house, receiver):
        await until(lambda: seen)
    assert await states(house) == {"done": 1, "parked": 2}
    first, second = await house.inbox.parked.page()
    assert first.reason.startswith("malformed: the body is not JSON")
    assert second.reason.startswith("malformed: the header ce-specversion")
    shown = await house.inbox.parked.show(first.id)
    assert shown is not None
    assert shown.body == "base64:/wB7"
    assert shown.headers["ce-id"] == good.message_id
    assert (shown.id, shown.reason, shown.size) == (first.id, first.reason, None)
    assert await house.inbox.parked.show(10**6) is None


async def test_the_receivers_work_and_its_mark_are_one_transaction(house: House) -> None:
    async with house.database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE note (name TEXT)"))
    crash = True

    async def write(event: Event[contracts.Product], session: Any) -> None:
        await session.execute(text("INSERT INTO note VALUES ('once')"))
        if crash:
            raise ValueError("after the write")

    receiver = QueuedReceiver(write, (EventKind("post_save", contracts.Product),), (Session,))
    await house.accept(receiver, [delivery(event())])
    async with working(house, receiver):
        await until(house.inbox.parked.page)
        crash = False
        await house.inbox.parked.redrive(None)
        await until(lambda: _states_are(house, done=1))
    async with house.database.reading() as session:
        assert (await session.scalars(text("SELECT name FROM note"))).all() == ["once"]


@pytest.mark.parametrize("failure", [ValueError("one of them"), Park("not this one")])
async def test_a_batch_is_handed_over_whole_and_after_a_failure_one_by_one(
    house: House, failure: Exception
) -> None:
    sizes: list[int] = []

    async def count(events: Sequence[Event[contracts.Product]]) -> None:
        sizes.append(len(events))
        if any(each.instance.name == "Broken" for each in events):
            raise failure

    receiver = receives(count, batch=10, ordered=False)
    names = ["Lamp", "Broken", "Chair", "Table"]
    await house.accept(receiver, [delivery(event(product(name=name))) for name in names])
    async with working(house, receiver):
        await until(lambda: _states_are(house, done=3, parked=1))
    assert sizes[0] == 4
    assert set(sizes[1:]) == {1}


async def test_a_row_whose_worker_died_is_parked_after_its_attempts(house: House) -> None:
    async def never(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(never)
    await house.accept(receiver, [delivery(event())])
    for _ in range(3):
        assert len(await house.inbox.claim(receiver, 10, attempts=3)) == 1
        assert await house.inbox.claim(receiver, 10, attempts=3) == []
        await _expire(house)
    assert await house.inbox.claim(receiver, 10, attempts=3) == []
    [parked] = await house.inbox.parked.page()
    assert "its process" in parked.reason


async def _expire(house: House) -> None:
    """Let every lease run out, as if its time had passed."""
    async with house.database.engine.begin() as connection:
        await connection.execute(update(inbox_rows).values(due_at=database_now(-1)))


async def test_a_worker_that_wakes_after_its_lease_cannot_finish(house: House) -> None:
    async def never(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(never)
    await house.accept(receiver, [delivery(event())])
    stale = await house.inbox.claim(receiver, 1, attempts=8)
    await _expire(house)
    fresh = await house.inbox.claim(receiver, 1, attempts=8)
    with pytest.raises(LeaseLost):
        async with house.database.transaction() as session:
            await house.inbox.finish(session, stale)
    async with house.database.transaction() as session:
        await house.inbox.finish(session, fresh)
    assert await states(house) == {"done": 1}


async def test_a_stopped_worker_hands_back_what_it_was_running(house: House) -> None:
    begun = asyncio.Event()

    async def hang(_event: Event[contracts.Product]) -> None:
        begun.set()
        await asyncio.Event().wait()

    receiver = receives(hang)
    await house.accept(receiver, [delivery(event())])
    [row] = await house.inbox.claim(receiver, 1, attempts=8)
    task = asyncio.create_task(Worker([receiver], house.inbox).run_group(receiver, [row]))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [again] = await house.inbox.claim(receiver, 1, attempts=8)
    assert again.attempts == 1


@pytest.mark.parametrize("deaths", [0, 1])
async def test_a_cancelled_worker_hands_back_what_takes_all_its_places(
    house: House, deaths: int
) -> None:
    begun = asyncio.Event()

    async def hang(_event: Event[contracts.Product], _session: Session) -> None:
        begun.set()
        await asyncio.Event().wait()

    receiver = replace(receives(hang), needs=(Session,))
    await house.accept(receiver, [delivery(event()) for _ in range(3)])
    for _ in range(deaths):
        await house.inbox.claim(receiver, 3, attempts=8)
        await _expire(house)
    stopping = asyncio.Event()
    worker = Worker([receiver], house.inbox, concurrency=1)
    task = asyncio.create_task(worker.run(stopping))
    await begun.wait()
    stopping.set()
    done, _ = await asyncio.wait({task}, timeout=0.2)
    assert not done
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)
    again = await house.inbox.claim(receiver, 3, attempts=8)
    # One at a time if nobody knows of what their last attempt died.
    assert [each.attempts for each in again] == ([2] if deaths else [1, 1, 1])


async def test_without_receivers_there_is_nothing_to_do_until_the_end(house: House) -> None:
    stopping = asyncio.Event()
    parts = (Worker([], house.inbox), Consumer("shop", [], house.inbox, house.bus))
    tasks = [asyncio.create_task(part.run(stopping)) for part in parts]
    done, _ = await asyncio.wait(tasks, timeout=0.1)
    assert not done
    stopping.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)


async def test_ordered_events_of_one_subject_never_overlap(house: House) -> None:
    running_now: set[Any] = set()
    seen: list[str] = []

    async def slow(event: Event[contracts.Product]) -> None:
        assert event.instance.id not in running_now
        running_now.add(event.instance.id)
        await asyncio.sleep(0.005)
        running_now.discard(event.instance.id)
        seen.append(f"{event.instance.name} {event.sequence}")

    receiver = receives(slow)
    lamp, chair = product(name="lamp"), product(name="chair")
    for number in range(1, 6):
        await house.accept(
            receiver,
            [delivery(event(each, sequence=str(number))) for each in (lamp, chair)],
        )
    async with running(
        Worker([receiver], house.inbox), Worker([receiver], house.inbox, concurrency=2)
    ):
        await until(lambda: len(seen) == 10)
    for name in ("lamp", "chair"):
        assert [each for each in seen if each.startswith(name)] == [
            f"{name} {number}" for number in range(1, 6)
        ]


async def test_slow_events_keep_no_other_place_empty(house: House) -> None:
    released, seen = asyncio.Event(), []

    async def note(event: Event[contracts.Product], _session: Session) -> None:
        if event.instance.name == "slow":
            await released.wait()
        seen.append(event.instance.name)

    receiver = replace(receives(note), needs=(Session,))
    names = ["slow"] * 3 + ["quick"] * 6
    await house.accept(receiver, [delivery(event(product(name=name))) for name in names])
    async with running(Worker([receiver], house.inbox, retries=QUICK, concurrency=4)):
        await until(lambda: seen.count("quick") == 6)
        assert "slow" not in seen
        released.set()
        await until(lambda: len(seen) == 9)


async def test_done_rows_are_forgotten_after_seven_days(house: House) -> None:
    async def note(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(note)
    await house.accept(receiver, [delivery(event()), delivery(event())])
    async with working(house, receiver):
        await until(lambda: _states_are(house, done=2))
    assert await house.inbox.prune() == 0
    async with house.database.engine.begin() as connection:
        oldest = select(inbox_rows.c.id).limit(1).scalar_subquery()
        await connection.execute(
            update(inbox_rows)
            .where(inbox_rows.c.id == oldest)
            .values(finished_at=database_now(-7 * 86_400 - 1))
        )
    assert await house.inbox.prune() == 1
    assert await states(house) == {"done": 1}


async def test_what_the_broker_gave_up_on_is_parked(house: House) -> None:
    async def note(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(note)
    await house.accept(receiver, [delivery(event())], gave_up="the broker gave up")
    [parked] = await house.inbox.parked.page()
    assert parked.reason == "the broker gave up"
