import asyncio

import pytest

from heliograph.service import PartFailed, run_parts
from heliograph.service.shutdown import in_stages


class Part:
    """A part that writes down when it stops; it may fail first."""

    def __init__(self, name: str, stopped: list[str], failure: Exception | None = None) -> None:
        self.name = name
        self._stopped = stopped
        self._failure = failure

    async def run(self, stopping: asyncio.Event) -> None:
        if self._failure is not None:
            raise self._failure
        await stopping.wait()
        await asyncio.sleep(0)
        self._stopped.append(self.name)


async def test_a_stage_stops_only_when_the_one_before_has_ended() -> None:
    stopped: list[str] = []
    http, relay, consumer = (Part(name, stopped) for name in ("http", "relay", "consumer"))
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for part in in_stages([http], [relay], [consumer]):
            tasks.create_task(part.run(stopping))
        stopping.set()
    assert stopped == ["http", "relay", "consumer"]


async def test_an_empty_stage_holds_nobody_up() -> None:
    stopped: list[str] = []
    stopping = asyncio.Event()
    stopping.set()
    [part] = in_stages([], [], [Part("consumer", stopped)])
    async with asyncio.timeout(5):
        await part.run(stopping)
    assert stopped == ["consumer"]


async def test_a_part_that_fails_lets_the_later_stages_stop() -> None:
    stopped: list[str] = []
    parts = in_stages(
        [Part("http", stopped)],
        [Part("relay", stopped, OSError("gone"))],
        [Part("consumer", stopped)],
    )
    with pytest.raises(PartFailed, match="relay failed"):
        await run_parts(parts, grace=5)
    assert stopped == ["http", "consumer"]
