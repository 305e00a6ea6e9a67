"""The sweeper: no file stays behind an upload that came to nothing."""

import asyncio

import structlog

from heliograph import DatabaseUnavailable
from heliograph.database import Database
from heliograph.storage import ImageStore, StorageError
from heliograph.waiting import stopped_within
from services.catalog.repositories.images import ImageRepository

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 60.0


class Sweeper:
    """Purges the files of uploads that came to nothing."""

    name = "sweeper"

    def __init__(self, database: Database, images: ImageStore) -> None:
        self._database = database
        self._images = images

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                while not stopping.is_set() and await self.sweep_one():
                    pass
            except (DatabaseUnavailable, StorageError) as error:
                log.warning("cannot sweep now", reason=str(error))
            await stopped_within(stopping, SWEEP_EVERY_S)

    async def sweep_one(self) -> bool:
        """Purge one stale upload's files; False if there is none.

        Its row stays locked meanwhile: an upload that is late after all finds it gone and
        fails, and never gets a row without files.
        """
        async with self._database.transaction() as session:
            intent = await ImageRepository(session).stale_intent()
            if intent is None:
                return False
            for key in intent.keys:
                await self._images.delete(key)
            await session.delete(intent)
            return True
