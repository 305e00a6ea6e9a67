"""What is told of each call of a receiver."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import contracts
from heliograph import Event, Park
from heliograph.database import Session
from heliograph.inbox import Inbox, RunOutcome, Worker
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, running
from tests.integration.heliograph.inbox.test_worker import QUICK, delivery, receives
from tests.polling import until
from tests.samples import event, product


class Runs(list[tuple[str, RunOutcome, int]]):
    """Remembers receivers, outcomes and how many events there were."""

    def note(
        self, receiver: str, outcome: RunOutcome, seconds: float, events: Sequence[Event[Any]]
    ) -> None:
        assert seconds >= 0.0
        self.append((receiver, outcome, len(events)))


@sqlite_suffices
@pytest.mark.parametrize("needs", [(), (Session,)])
async def test_each_call_is_told_with_its_outcome(house: House, needs: tuple[type, ...]) -> None:
    async def note(event: Event[contracts.Product], *_session: Session) -> None:
        if event.instance.name == "Broken":
            raise ValueError("broken")
        if event.instance.name == "Refused":
            raise Park("not this one")

    runs = Runs()
    receiver = replace(receives(note), needs=needs)
    names = ("Lamp", "Broken", "Refused")
    await house.accept(receiver, [delivery(event(product(name=name))) for name in names])
    async with running(Worker([receiver], house.inbox, retries=QUICK, on_run=runs.note)):
        await until(lambda: len(runs) == 5)
    told = [("note", "done", 1)] + 2 * [("note", "retried", 1)] + 2 * [("note", "parked", 1)]
    assert sorted(runs) == sorted(told)


@sqlite_suffices
async def test_a_batch_is_one_call(house: House) -> None:
    async def note(_events: Sequence[Event[contracts.Product]]) -> None: ...

    runs = Runs()
    receiver = receives(note, batch=10, ordered=False)
    await house.accept(receiver, [delivery(event(product())) for _ in range(4)])
    async with running(Worker([receiver], house.inbox, on_run=runs.note)):
        await until(lambda: runs == [("note", "done", 4)])


@sqlite_suffices
async def test_a_call_whose_outcome_is_not_recorded_is_lost(house: House) -> None:
    async def fail(_event: Event[contracts.Product]) -> None:
        raise Park("not this one")

    runs = Runs()
    receiver = receives(fail)
    await house.accept(receiver, [delivery(event())])
    [row] = await house.inbox.claim(receiver, 1, attempts=8)
    taken_over = row._replace(token=row.token - 1)
    await Worker([receiver], house.inbox, on_run=runs.note).run_group(receiver, [taken_over])
    assert runs == [("fail", "lost", 1)]


@sqlite_suffices
async def test_a_call_that_was_broken_off_is_told_too(house: House) -> None:
    begun = asyncio.Event()

    async def hang(_event: Event[contracts.Product]) -> None:
        begun.set()
        await asyncio.Event().wait()

    runs = Runs()
    receiver = receives(hang)
    inbox: Inbox = house.inbox
    await house.accept(receiver, [delivery(event())])
    rows = await inbox.claim(receiver, 1, attempts=8)
    worker = Worker([receiver], inbox, on_run=runs.note)
    task = asyncio.create_task(worker.run_group(receiver, rows))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert runs == [("hang", "handed_back", 1)]
