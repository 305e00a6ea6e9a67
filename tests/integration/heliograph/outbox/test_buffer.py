import asyncio

from sqlalchemy import func, select

from heliograph.database import Session
from heliograph.outbox import EventBuffer
from heliograph.outbox.buffer import FLUSH_S
from heliograph.service import in_shutdown_order
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, outbox_rows, running
from tests.polling import until
from tests.samples import event


async def written(house: House) -> int:
    async with house.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(outbox_rows)) or 0


async def test_what_comes_while_others_are_written_waits_for_more(house: House) -> None:
    buffer = EventBuffer(house.database, house.outbox)
    loop = asyncio.get_running_loop()
    commits: list[float] = []

    async def note(_session: Session) -> None:
        commits.append(loop.time())
        if len(commits) == 1:
            buffer.hold(event(version=None))

    house.database.before_commit(note)
    async with running(buffer):
        buffer.hold(event(version=None))
        await until(lambda: len(commits) == 2)

    assert commits[1] - commits[0] > FLUSH_S * 0.9
    assert await written(house) == 2


async def test_the_buffer_is_empty_when_it_has_ended(house: House) -> None:
    buffer = EventBuffer(house.database, house.outbox)
    async with running(buffer):
        for _ in range(1_001):
            buffer.hold(event(version=None))

    assert await written(house) == 1_001


class Late:
    """A part that finishes after others, and announces something."""

    name = "late"

    def __init__(self, buffer: EventBuffer) -> None:
        self._buffer = buffer

    async def run(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        await asyncio.sleep(2 * FLUSH_S)
        self._buffer.hold(event(version=None))


@sqlite_suffices
async def test_the_buffer_ends_after_those_that_fill_it(house: House) -> None:
    buffer = EventBuffer(house.database, house.outbox)
    async with running(*in_shutdown_order([], [buffer, Late(buffer)])):
        pass
    assert await written(house) == 1


@sqlite_suffices
async def test_a_cancelled_buffer_writes_what_it_holds(house: House) -> None:
    buffer = EventBuffer(house.database, house.outbox)
    task = asyncio.create_task(buffer.run(asyncio.Event()))
    await asyncio.sleep(0)
    buffer.hold(event(version=None))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await written(house) == 1


@sqlite_suffices
async def test_a_full_buffer_drops_and_tells(house: House) -> None:
    dropped: list[str] = []
    buffer = EventBuffer(house.database, house.outbox, capacity=2, on_dropped=dropped.append)
    for _ in range(5):
        buffer.hold(event(version=None))
    async with running(buffer):
        pass

    assert dropped == ["post_save"] * 3
    assert await written(house) == 2
