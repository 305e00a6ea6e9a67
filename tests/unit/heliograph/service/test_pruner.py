import asyncio

from heliograph import DatabaseUnavailable
from heliograph.service.pruner import Pruner
from tests.polling import until


class Memory:
    """Remembers so much; the first times the database is away."""

    def __init__(self, size: int, away: int = 0) -> None:
        self.size, self._away = size, away
        self.asked = 0

    async def prune(self) -> int:
        await asyncio.sleep(0)
        self.asked += 1
        if self.asked <= self._away:
            raise DatabaseUnavailable("away")
        forgotten = min(self.size, 1000)
        self.size -= forgotten
        return forgotten


async def test_one_that_cannot_be_pruned_keeps_no_other_from_it() -> None:
    away, full = Memory(5000, away=9), Memory(5000)
    stopping = asyncio.Event()
    pruning = asyncio.create_task(Pruner(away, full).run(stopping))
    await until(lambda: full.size == 0)
    stopping.set()
    await pruning
    assert away.size == 5000


async def test_it_stops_although_there_is_much_left() -> None:
    endless = Memory(10**12)
    stopping = asyncio.Event()
    pruning = asyncio.create_task(Pruner(endless).run(stopping))
    await until(lambda: endless.asked > 2)
    stopping.set()
    async with asyncio.timeout(2):
        await pruning
