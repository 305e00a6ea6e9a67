"""What was begun is mended, even when the campaign is cancelled meanwhile."""

import asyncio
import threading

import pytest

from chaos.faults.targets import restart, whole
from tests.polling import until


async def test_work_in_a_thread_is_done_before_its_cancellation_is_told() -> None:
    begun, released = threading.Event(), threading.Event()
    done: list[bool] = []

    def work() -> None:
        begun.set()
        done.append(released.wait(10))

    task = asyncio.create_task(whole(work))
    await until(begun.is_set)
    task.cancel()
    asyncio.get_running_loop().call_soon(released.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_a_server_that_was_stopped_is_started_although_all_is_cancelled() -> None:
    stopping, released = threading.Event(), threading.Event()
    calls: list[str] = []

    def stop() -> None:
        stopping.set()
        released.wait(10)
        calls.append("stop")

    task = asyncio.create_task(restart(stop, lambda: calls.append("start")))
    await until(stopping.is_set)
    task.cancel()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == ["stop", "start"]
