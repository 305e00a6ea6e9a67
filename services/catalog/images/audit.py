"""The audit of images: what the store and the database do not both know of."""

from collections.abc import Callable, Sequence
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

    async def check(self, on_progress: Callable[[int], None] = lambda _seen: None) -> Findings:
        """Look at every file and every image; keeps in memory the keys of all images' files.

        `on_progress` is told how many files of the store were looked at.
        """
        # A file that came after the rows were read is younger than this.
        latest = datetime.now(UTC) - GRACE
        async with self._database.reading() as session:
            images = ImageRepository(session)
            # First: one that is fulfilled meanwhile has left its row behind.
            intended = await images.intended_keys()
            unseen = {each.key async for each in images.files()}
        orphans: dict[str, StoredKey] = {}
        seen, listed = 0, self._images.keys()
        async for file in listed:
            seen += 1
            on_progress(seen)
            if file.key in unseen:
                unseen.remove(file.key)
            elif file.key not in intended and file.last_modified < latest:
                orphans[file.key] = file
        suspects = []
        if orphans or unseen:
            async with self._database.reading() as session:
                async for each in ImageRepository(session).files():
                    # One that the store lists twice is no orphan.
                    orphans.pop(each.key, None)
                    if each.key in unseen:
                        suspects.append(each)
        missing = [each for each in suspects if await self._lacks(each)]
        return Findings(orphans=list(orphans.values()), missing=missing)

    async def _lacks(self, file: NamedFile) -> bool:
        """Whether the image is still there, and its file still is not."""
        if await self._images.get(file.key) is not None:
            return False
        async with self._database.reading() as session:
            return await ImageRepository(session).exists(file.image_id)

    async def purge(
        self,
        orphans: Sequence[StoredKey],
        on_progress: Callable[[int], None] = lambda _deleted: None,
    ) -> None:
        """Delete files that were found to be orphans: no key is ever used again.

        `on_progress` is told how many are deleted.
        """
        for deleted, file in enumerate(orphans, 1):
            await self._images.delete(file.key)
            on_progress(deleted)
