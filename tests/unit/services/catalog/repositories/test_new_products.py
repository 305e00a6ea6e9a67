import asyncio

import pytest

from services.catalog.repositories.new_products import meanwhile


async def test_work_is_done_while_a_statement_waits() -> None:
    told: list[str] = []
    answered = asyncio.Event()

    async def statement() -> None:
        told.append("asked")
        await answered.wait()
        told.append("answered")

    def work() -> None:
        told.append("worked")
        answered.set()

    await meanwhile(statement(), work)
    assert told == ["asked", "worked", "answered"]


async def test_a_failed_statement_raises_what_it_raised() -> None:
    async def statement() -> None:
        await asyncio.sleep(0)
        raise LookupError("statement")

    with pytest.raises(LookupError, match="statement"):
        await meanwhile(statement(), lambda: None)


async def test_failed_work_is_told_once_the_statement_has_ended() -> None:
    ended = asyncio.Event()

    async def statement() -> None:
        await asyncio.sleep(0)
        ended.set()

    def work() -> None:
        raise LookupError("work")

    with pytest.raises(LookupError, match="work"):
        await meanwhile(statement(), work)
    assert ended.is_set()


async def test_who_is_cancelled_cancels_the_statement() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def statement() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(meanwhile(statement(), begun.set))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
