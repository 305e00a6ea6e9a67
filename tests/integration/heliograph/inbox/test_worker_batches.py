"""What is left of a batch that failed runs alone, and not all of it at once."""

import asyncio
from collections.abc import Sequence

import contracts
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.database import Session
from heliograph.events import EventKind, encode
from heliograph.inbox import Worker
from heliograph.signals import QueuedReceiver
from heliograph.waiting import Retries
from tests.integration.heliograph.conftest import House, running
from tests.polling import until
from tests.samples import event

ROWS = 100
AT_ONCE = 3
QUICK = Retries(attempts=3, first=0.01, longest=0.02)


async def test_a_failed_batch_opens_no_more_transactions_than_the_worker_runs_side_by_side(
    house: House,
) -> None:
    alone = now = most = 0

    async def fail_together(events: Sequence[Event[contracts.Product]], session: Session) -> None:
        nonlocal alone, now, most
        if len(events) > 1:
            raise ValueError("one of them")
        now += 1
        most = max(most, now)
        try:
            # The transaction begins, and others get their turn.
            await session.connection()
        finally:
            now -= 1
            alone += 1

    receiver = QueuedReceiver(
        fail_together,
        (EventKind("post_save", contracts.Product),),
        (Session,),
        batch=ROWS,
        ordered=False,
    )
    await house.accept(receiver, [_delivery(event()) for _ in range(ROWS)])

    async def all_are_done() -> bool:
        return (await house.inbox.status()).get((receiver.name, "done")) == ROWS

    async with running(Worker([receiver], house.inbox, retries=QUICK, concurrency=AT_ONCE)):
        await until(all_are_done, within=20)
    assert alone == ROWS
    assert most <= AT_ONCE


async def test_a_stop_leaves_nothing_of_a_failed_batch_leased(house: House) -> None:
    begun = 0

    async def hang(events: Sequence[Event[contracts.Product]], _session: Session) -> None:
        nonlocal begun
        if len(events) > 1:
            raise ValueError("one of them")
        begun += 1
        await asyncio.Event().wait()

    receiver = QueuedReceiver(
        hang, (EventKind("post_save", contracts.Product),), (Session,), batch=ROWS, ordered=False
    )
    await house.accept(receiver, [_delivery(event()) for _ in range(ROWS)])
    stopping = asyncio.Event()
    worker = Worker([receiver], house.inbox, retries=QUICK, concurrency=AT_ONCE)
    task = asyncio.create_task(worker.run(stopping))
    await until(lambda: begun == AT_ONCE)
    stopping.set()
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)
    assert begun == AT_ONCE
    again = await house.inbox.claim(receiver, ROWS, attempts=8)
    assert [each.attempts for each in again] == [2] * ROWS


def _delivery(sent: Event[contracts.Product]) -> Delivery:
    message = encode(sent)
    return Delivery("q", message.routing_key, message.headers, message.body, message.id)
