"""The spreader: writes the rows of what more people are told than one transaction may write for."""

import asyncio

from sqlalchemy import select

from heliograph import DatabaseUnavailable
from heliograph.database import Bell, Database
from heliograph.waiting import Trouble, pause_after, stopped_within
from services.notifier.models import Spread
from services.notifier.repositories.notifications import NotificationRepository

POLL_S = 1.0
"""Longest wait for a ring."""


class Spreader:
    """Goes on where receivers left off, a transaction for each part; any number may run."""

    name = "spreader"

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    async def run(self, stopping: asyncio.Event) -> None:
        waiter = self._bell.waiter()
        trouble = Trouble("cannot spread now", "spreading again")
        failures = 0
        while not stopping.is_set():
            try:
                found = await self.spread()
            except DatabaseUnavailable as error:
                trouble.begin(str(error))
                await stopped_within(stopping, pause_after(failures))
                failures += 1
                continue
            trouble.end()
            failures = 0
            if not found:
                await waiter.wait(stopping, POLL_S)

    async def spread(self) -> bool:
        """Write the next part of the oldest that nobody else writes; False if there is none."""
        oldest = select(Spread).order_by(Spread.id).limit(1).with_for_update(skip_locked=True)
        async with self._database.reading() as session:
            if await session.scalar(select(Spread.id).limit(1)) is None:
                return False
        async with self._database.transaction() as session:
            row = await session.scalar(oldest)
            if row is None:
                return False
            if await NotificationRepository(session).spread(row):
                await session.delete(row)
        return True
