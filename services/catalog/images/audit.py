"""The audit of images: what the store and the database do not both know of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from heliograph.database import Database
from heliograph.storage import ImageStore, StoredKey
from services.catalog.repositories.images import ImageRepository, NamedFile

GRACE = timedelta(hours=1)
"""A file this young may belong to a deletion that its receivers still work on."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Files that no image and no upload names, and files of images that are not there."""

    orphans: Sequence[StoredKey]
    missing: Sequence[NamedFile]

    def __bool__(self) -> bool:
        return bool(self.orphans or self.missing)


class ImageAudit:
    """Compares the image store with the database while both are in use.

    An upload or a deletion under way is not a finding. The files of an image that was
    deleted are orphans as long as the purge of them waits.
    """

    def __init__(self, database: Database, images: ImageStore) -> None:
        self._database = database
        self._images = images

    async def check(self) -> Findings:
        """Look at every file and every image; keeps the keys of all in memory."""
        listed = self._images.keys()
        files = {each.key: each async for each in listed}
        # Every file listed above had its intent then, or its row. Intents are read first: one
        # that is fulfilled meanwhile has left its row behind.
        async with self._database.reading() as session:
            images = ImageRepository(session)
            intended = await images.intended_keys()
            named = [each async for each in images.files()]
        known = intended.union(each.key for each in named)
        latest = datetime.now(UTC) - GRACE
        return Findings(
            orphans=[
                each
                for key, each in files.items()
                if key not in known and each.last_modified < latest
            ],
            missing=[each for each in named if each.key not in files and await self._lacks(each)],
        )

    async def _lacks(self, file: NamedFile) -> bool:
        """Whether the image is still there, and its file still is not."""
        if await self._images.get(file.key) is not None:
            return False
        async with self._database.reading() as session:
            return await ImageRepository(session).exists(file.image_id)

    async def purge(self, orphans: Sequence[StoredKey]) -> None:
        """Delete files that were found to be orphans: no key is ever used again."""
        for file in orphans:
            await self._images.delete(file.key)
