import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from heliograph.service import PartFailed, run_parts


class Step:
    """A part that does what it is told."""

    def __init__(self, name: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self.name = name
        self._work = work

    async def run(self, stopping: asyncio.Event) -> None:
        await self._work(stopping)


def stop(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_every_part_finish_what_is_under_way(number: signal.Signals) -> None:
    finished = []

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        await asyncio.sleep(0)
        finished.append("work")

    async def killer(stopping: asyncio.Event) -> None:
        stop(number)
        await stopping.wait()
        finished.append("killer")

    await run_parts([Step("work", work), Step("killer", killer)])
    assert sorted(finished) == ["killer", "work"]


async def test_the_garbage_collector_spares_what_was_there_before_the_parts() -> None:
    spared = []

    async def work(stopping: asyncio.Event) -> None:
        spared.append(gc.get_freeze_count())
        stop()
        await stopping.wait()

    await run_parts([Step("work", work)])

    assert spared[0] > 10_000
    assert gc.get_freeze_count() == 0


async def test_a_part_that_fails_stops_the_others_and_the_program() -> None:
    finished = []

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        finished.append("work")

    async def fail(stopping: asyncio.Event) -> None:
        raise OSError("gone")

    with pytest.raises(PartFailed, match="relay"):
        await run_parts([Step("work", work), Step("relay", fail)])
    assert finished == ["work"]


async def test_a_part_that_ends_on_its_own_stops_the_program() -> None:
    async def end(stopping: asyncio.Event) -> None:
        return None

    with pytest.raises(PartFailed, match="relay"):
        await run_parts([Step("relay", end)])


async def test_a_part_that_does_not_finish_is_cancelled_after_the_grace() -> None:
    cancelled = asyncio.Event()

    async def hang(stopping: asyncio.Event) -> None:
        stop()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with asyncio.timeout(5):
        await run_parts([Step("hang", hang)], grace=0.01)
    assert cancelled.is_set()


async def test_a_second_interrupt_cancels_at_once() -> None:
    async def hang(stopping: asyncio.Event) -> None:
        stop(signal.SIGINT)
        await stopping.wait()
        stop(signal.SIGINT)
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await run_parts([Step("hang", hang)], grace=60)
