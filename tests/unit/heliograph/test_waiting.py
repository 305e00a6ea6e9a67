import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from structlog.testing import capture_logs

from heliograph.bus.rabbitmq.connection import within
from heliograph.http import Health
from heliograph.waiting import PAUSES_S, Trouble, pause_after, stopped_within, unless_stopped


@pytest.mark.parametrize("failures", [0, 2, 4, 1000])
def test_pauses_grow_to_the_longest_with_a_jitter(failures: int) -> None:
    full = PAUSES_S[min(failures, 4)]
    found = {pause_after(failures) for _ in range(50)}
    assert len(found) > 1
    assert all(0.75 * full <= each <= full for each in found)


async def test_what_is_awaited_is_returned() -> None:
    async def answer() -> str:
        await asyncio.sleep(0)
        return "here"

    assert await unless_stopped(asyncio.Event(), answer()) == "here"


async def test_a_stop_cancels_what_is_awaited_and_waits_for_its_end() -> None:
    stopping, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> bool:
        try:
            stopping.set()
            return await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    async with asyncio.timeout(5):
        assert await unless_stopped(stopping, wait()) is None
    assert ended.is_set()


async def test_what_it_raises_is_raised() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await unless_stopped(asyncio.Event(), fail())


async def test_who_is_cancelled_cancels_what_it_awaits() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(unless_stopped(asyncio.Event(), wait()))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await asyncio.sleep(0)
    assert cancelled.is_set()


async def _asked(check: Awaitable[None]) -> None:
    health = Health()
    health.add("bus", lambda: check)
    await health.readiness()


@pytest.mark.parametrize(
    "waiting", [partial(unless_stopped, asyncio.Event()), partial(within, 5.0), _asked]
)
async def test_what_nobody_waits_for_any_more_fails_unheard(
    waiting: Callable[[Awaitable[None]], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """Else each stop of a program may log an error that is none."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LookupError("too late") from None
        finally:
            ended.set()

    task = asyncio.ensure_future(waiting(fail()))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(5):
        await ended.wait()
    assert task.cancelled()
    # asyncio tells of it when nobody can ask any more.
    del task
    await asyncio.sleep(0)
    gc.collect()
    assert caplog.records == []


async def test_a_pause_ends_early_at_a_stop() -> None:
    stopping = asyncio.Event()
    assert not await stopped_within(stopping, 0.01)
    stopping.set()
    assert await stopped_within(stopping, 60)


def test_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    trouble = Trouble("emails wait", "emails go out again")
    with capture_logs() as lines:
        trouble.end()
        for reason in ("refused", "refused", "no route"):
            trouble.begin(reason)
        trouble.end()
        trouble.end()
        trouble.begin("refused")
    assert trouble.reason == "refused"
    assert [(each["log_level"], each["event"], each.get("reason")) for each in lines] == [
        ("warning", "emails wait", "refused"),
        ("info", "emails go out again", None),
        ("warning", "emails wait", "refused"),
    ]
