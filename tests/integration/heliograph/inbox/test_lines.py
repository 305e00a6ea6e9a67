"""What the log tells of an event that is heard."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import structlog
from sqlalchemy import update
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

import contracts
from heliograph import Event, Park
from heliograph.bus import Topology
from heliograph.database import Session, database_now
from heliograph.events import encode
from heliograph.inbox import Consumer, Worker
from heliograph.inbox.done import TELL_S
from heliograph.logging import NAMED
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, inbox_rows, running
from tests.integration.heliograph.inbox.test_worker import QUICK, delivery, receives
from tests.polling import until
from tests.samples import event, product

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def traced(name: str) -> Event[contracts.Product]:
    return event(product(name=name), traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """What is logged, as our programs do it: with what the context says."""
    with capture_logs(processors=[merge_contextvars]) as logged:
        yield logged


def told(lines: Sequence[EventDict], *names: str) -> list[EventDict]:
    return [each for each in lines if each["event"] in names]


@sqlite_suffices
@pytest.mark.parametrize("needs", [(), (Session,)])
async def test_every_line_of_a_receiver_says_which_event_it_is_about(
    house: House, needs: tuple[type, ...], lines: list[EventDict]
) -> None:
    log = structlog.stdlib.get_logger("of.the.receiver")

    def look(_event: Event[contracts.Product], *_session: Session) -> None:
        log.info("looked")

    lamp = traced("Lamp")
    receiver = replace(receives(look), needs=needs)
    await house.accept(receiver, [delivery(lamp)])
    async with running(Worker([receiver], house.inbox)):
        await until(lambda: told(lines, "done"))
    looked, done = told(lines, "looked", "done")
    for line in (looked, done):
        about = {key: line.get(key) for key in ("event_id", "subject", "receiver", "attempt")}
        assert about == {
            "event_id": str(lamp.id),
            "subject": str(lamp.instance.id),
            "receiver": "look",
            "attempt": 1,
        }
        assert (line["trace"], line["log_level"]) == (TRACE, "info")
    assert done["ms"] >= 0.0


@sqlite_suffices
async def test_a_failure_says_when_it_runs_again_and_in_the_end_that_it_is_parked(
    house: House, lines: list[EventDict]
) -> None:
    async def fail(_event: Event[contracts.Product]) -> None:
        raise ValueError("no light today")

    lamp = traced("Lamp")
    receiver = receives(fail)
    await house.accept(receiver, [delivery(lamp)])
    async with running(Worker([receiver], house.inbox, retries=QUICK)):
        await until(lambda: told(lines, "parked"))
    outcomes = told(lines, "retried", "parked")
    assert [(each["event"], each["attempt"]) for each in outcomes] == [
        ("retried", 1),
        ("retried", 2),
        ("parked", 3),
    ]
    for each in outcomes:
        assert each["reason"] == "ValueError: no light today"
        assert (each["event_id"], each["trace"]) == (str(lamp.id), TRACE)
    assert outcomes[0]["again_at"] < outcomes[1]["again_at"]
    assert outcomes[-1]["log_level"] == "warning"
    assert len(told(lines, "receiver failed")) == 3


@sqlite_suffices
async def test_what_a_receiver_parks_is_told_too(house: House, lines: list[EventDict]) -> None:
    async def refuse(_event: Event[contracts.Product]) -> None:
        raise Park("not this one")

    lamp = traced("Lamp")
    receiver = receives(refuse)
    await house.accept(receiver, [delivery(lamp)])
    async with running(Worker([receiver], house.inbox)):
        [line] = await until(lambda: told(lines, "parked"))
    assert (line["event_id"], line["reason"]) == (str(lamp.id), "not this one")
    assert not told(lines, "receiver failed", "done")


@sqlite_suffices
async def test_a_row_whose_process_died_is_told_when_it_is_parked(
    house: House, lines: list[EventDict]
) -> None:
    lamp = traced("Lamp")
    receiver = receives(lambda _event: None)
    await house.accept(receiver, [delivery(lamp)])
    await house.inbox.claim(receiver, 1, attempts=1)
    async with house.database.engine.begin() as connection:
        await connection.execute(update(inbox_rows).values(due_at=database_now(-1)))
    assert await house.inbox.claim(receiver, 1, attempts=1) == []
    [line] = told(lines, "parked")
    assert (line["event_id"], line["trace"], line["attempt"]) == (str(lamp.id), TRACE, 1)
    assert line["reason"].startswith("no report")


@sqlite_suffices
async def test_a_batch_says_how_many_they_are_and_names_a_few(
    house: House, lines: list[EventDict]
) -> None:
    log = structlog.stdlib.get_logger("of.the.receiver")

    async def look(_events: Sequence[Event[contracts.Product]]) -> None:
        log.info("looked")

    receiver = receives(look, batch=20, ordered=False)
    sent = [traced("Lamp") for _ in range(12)]
    await house.accept(receiver, [delivery(each) for each in sent])
    async with running(Worker([receiver], house.inbox)):
        await until(lambda: told(lines, "done"))
    for line in told(lines, "looked", "done"):
        assert line["events"] == 12
        assert line["event_ids"] == [str(each.id) for each in sent[:NAMED]]
        assert "event_id" not in line


@sqlite_suffices
async def test_many_that_are_done_one_after_the_other_share_a_few_lines(
    house: House, lines: list[EventDict]
) -> None:
    async def look(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(look)
    sent = [delivery(traced("Lamp")) for _ in range(50)]
    await house.accept(receiver, sent)
    began = asyncio.get_running_loop().time()
    async with running(Worker([receiver], house.inbox)):
        await until(lambda: _counted(lines) == 50)
    took = asyncio.get_running_loop().time() - began
    assert len(told(lines, "done")) <= 2 + took / TELL_S


def _counted(lines: Sequence[EventDict]) -> int:
    return sum(each.get("events", 1) for each in told(lines, "done"))


@sqlite_suffices
async def test_at_the_level_debug_each_has_a_line(
    house: House, lines: list[EventDict], caplog: pytest.LogCaptureFixture
) -> None:
    async def look(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(look)
    sent = [traced("Lamp") for _ in range(20)]
    await house.accept(receiver, [delivery(each) for each in sent])
    with caplog.at_level(logging.DEBUG):
        async with running(Worker([receiver], house.inbox)):
            await until(lambda: len(told(lines, "done")) == 20)
    assert {each["event_id"] for each in told(lines, "done")} == {str(each.id) for each in sent}


@sqlite_suffices
async def test_what_is_accepted_is_told_once_a_batch(house: House, lines: list[EventDict]) -> None:
    async def look(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(look)
    queue = receiver.queue("test")
    await house.bus.declare(Topology(("catalog.events",), (queue,)))
    lamp = traced("Lamp")
    async with running(Consumer("test", [receiver], house.inbox, house.bus)):
        await house.bus.publish([encode(lamp)])
        [line] = await until(lambda: told(lines, "accepted"))
        assert (line["receiver"], line["event_id"], line["trace"]) == ("look", str(lamp.id), TRACE)
        broken = encode(lamp)._replace(body=b"{")
        await house.bus.publish([broken, *(encode(traced("Desk")) for _ in range(8))])
        await until(lambda: sum(each.get("events", 1) for each in told(lines, "accepted")) == 10)
    [parked] = told(lines, "parked")
    assert (parked["receiver"], parked["log_level"]) == ("look", "warning")
    assert parked["reason"].startswith("malformed: the body is not JSON")
    assert parked["event_id"].startswith("malformed:")


@sqlite_suffices
async def test_a_line_in_anothers_group_commit_is_not_about_the_first(house: House) -> None:
    seen: list[dict[str, object]] = []
    receiver = receives(lambda _event: None)
    worker = Worker([receiver], house.inbox)
    finish_all = house.inbox.finish_all

    async def note(rows: Sequence[object]) -> frozenset[int]:
        seen.append(structlog.contextvars.get_contextvars())
        return await finish_all(rows)  # type: ignore[arg-type]  # rows as they come

    house.inbox.finish_all = note  # type: ignore[method-assign]
    await house.accept(receiver, [delivery(traced("Lamp"))])
    async with running(worker):
        await until(lambda: seen)
    assert seen == [{}]


@sqlite_suffices
async def test_a_trace_that_is_none_is_not_told(house: House, lines: list[EventDict]) -> None:
    async def look(_event: Event[contracts.Product]) -> None: ...

    receiver = receives(look)
    await house.accept(receiver, [delivery(event(traceparent="nonsense"))])
    async with running(Worker([receiver], house.inbox)):
        [line] = await until(lambda: told(lines, "done"))
    assert "trace" not in line
