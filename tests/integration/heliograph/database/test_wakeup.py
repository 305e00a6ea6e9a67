"""Rings that reach other processes, over PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from heliograph.database import Bell, Database, NotifyBridge
from tests.buses import until

RINGS = 50


class Far:
    """Another process: bells of the same names, joined by a notify bridge of its own."""

    def __init__(self, url: str) -> None:
        self.bells = (Bell("outbox"), Bell("inbox"))
        self.heard = [0, 0]
        self._database = Database(url)
        self._telegraph = NotifyBridge(self._database, self.bells)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            part = tasks.create_task(self._telegraph.run(stopping))
            listeners = [tasks.create_task(self._listen(each)) for each in (0, 1)]
            try:
                yield
                assert not part.done()
            finally:
                stopping.set()
                for each in listeners:
                    each.cancel()
        await self._database.close()

    async def _listen(self, number: int) -> None:
        waiter, never = self.bells[number].waiter(), asyncio.Event()
        while True:
            self.heard[number] += await waiter.wait(never, 60)


def ring(far: Far) -> None:
    for bell in far.bells:
        bell.ring()


async def test_bells_that_ring_at_once_are_all_heard(postgres_url: str) -> None:
    here, there = Far(postgres_url), Far(postgres_url)
    async with here.running(), there.running():

        def heard() -> bool:
            ring(here)
            return min(there.heard) >= RINGS

        await until(heard)


async def test_rings_are_heard_again_after_the_connection_was_lost(postgres_url: str) -> None:
    here, there = Far(postgres_url), Far(postgres_url)
    async with here.running(), there.running():

        def heard() -> bool:
            ring(here)
            return all(there.heard)

        await until(heard)
        admin = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
        closed = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await admin.close()
        assert closed >= 2
        there.heard = [0, 0]
        await until(heard)
