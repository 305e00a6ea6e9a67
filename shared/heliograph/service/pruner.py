"""What is remembered for a while, forgotten in time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import structlog

from heliograph.database import Database, Session
from heliograph.errors import DatabaseUnavailable
from heliograph.waiting import stopped_within

log = structlog.get_logger(__name__)

PRUNE_EVERY = timedelta(minutes=10)


class Prunable(Protocol):
    """What remembers things for a while."""

    async def prune(self) -> int:
        """Forget a small batch of what need not be remembered any longer; return its size."""


class Retention:
    """One kind of thing, forgotten a batch in a transaction."""

    def __init__(
        self, database: Database, forget: Callable[[Session, int], Awaitable[int]]
    ) -> None:
        self._database = database
        self._forget = forget

    async def prune(self, limit: int = 1000) -> int:
        """Forget up to `limit` of those that were kept long enough; return how many."""
        async with self._database.transaction() as session:
            return await self._forget(session, limit)


class Pruner:
    """Forgets what need not be remembered any longer, in small batches."""

    name = "pruner"

    def __init__(self, *memories: Prunable) -> None:
        self._memories = memories

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            for memory in self._memories:
                try:
                    while not stopping.is_set() and await memory.prune():
                        pass
                # The others are forgotten all the same.
                except DatabaseUnavailable as error:
                    log.warning("cannot prune now", reason=str(error))
            await stopped_within(stopping, PRUNE_EVERY.total_seconds())
