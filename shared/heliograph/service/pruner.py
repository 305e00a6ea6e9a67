"""What is remembered for a while, forgotten in time."""

import asyncio
from datetime import timedelta
from typing import Protocol

import structlog

from heliograph.errors import DatabaseUnavailable
from heliograph.waiting import stopped_within

log = structlog.get_logger(__name__)

PRUNE_EVERY = timedelta(minutes=10)


class Prunable(Protocol):
    """What remembers things for a while."""

    async def prune(self) -> int:
        """Forget a small batch of what need not be remembered any longer; return its size."""


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
