"""Uploads of images: the one request with two commits.

Files cannot be part of a transaction. An intent with all their keys is committed before
the first of them is written, and it goes in the transaction that brings the image's row:
at every moment each file is named by one of the two.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO
from uuid import UUID

import structlog

import contracts
from heliograph import DatabaseUnavailable
from heliograph.crash import crash_point
from heliograph.database import Database, Session
from heliograph.events import new_id
from heliograph.storage import ImageStore, StorageError, new_key
from services.catalog.images.darkroom import Darkroom
from services.catalog.images.developed import DevelopedPicture
from services.catalog.models import Image, ImageIntent
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.products import ProductRepository

log = structlog.stdlib.get_logger(__name__)


class Uploads:
    """Makes images of products out of uploaded files."""

    def __init__(self, database: Database, images: ImageStore) -> None:
        self._database = database
        self._images = images
        self._darkroom = Darkroom()

    def close(self) -> None:
        """Let go of the threads and processes that develop pictures."""
        self._darkroom.close()

    @asynccontextmanager
    async def adding(
        self,
        product_id: UUID,
        file: BinaryIO,
        *,
        alt: str = "",
        actor: str | None = None,
        traceparent: str | None = None,
    ) -> AsyncIterator[tuple[Session, contracts.Image]]:
        """Check a file, store it with its variants and add it to the product.

        The block runs in the transaction that brings the image; it is committed at its end.
        Raises `PictureError` for a file that is no picture, `NotFound` without the product,
        and `StoreUnavailable`. What was stored for nothing is purged: at once if possible,
        else by the sweeper.
        """
        picture = await self._darkroom.develop(file)
        key = new_key(picture.extension)
        variants = {each.name: new_key(picture.extension) for each in picture.variants}
        image = _image(picture, key, variants, alt)
        async with self._database.transaction() as session:
            intent = await ImageRepository(session).intend([key, *variants.values()])
        # A file whose `put` failed may arrive all the same, later than any purge of ours
        # now: those are left to the sweeper.
        await self._images.put(key, picture.data, picture.content_type)
        crash_point("catalog.after_file")
        for each in picture.variants:
            await self._images.put(variants[each.name], each.data, picture.content_type)
        try:
            async with self._database.transaction() as session:
                session.actor, session.traceparent = actor, traceparent
                product = await ProductRepository(session).edit(product_id)
                images = ImageRepository(session)
                await images.fulfil(intent.id)
                yield session, await images.add(product, image)
        except Exception:
            await asyncio.shield(self._give_up(image.id, intent))
            raise

    async def _give_up(self, image_id: UUID, made: ImageIntent) -> None:
        """Purge the files that an upload made, unless its image was committed after all.

        Without its intent too: a sweeper that came in between has missed those made after it.
        """
        with suppress(DatabaseUnavailable, StorageError):
            async with self._database.transaction() as session:
                images = ImageRepository(session)
                intent = await images.claim(made.id)
                if intent is None and await images.exists(image_id):
                    return
                for key in made.keys:
                    await self._images.delete(key)
                if intent is not None:
                    await session.delete(intent)
                return
        log.warning("an upload's files are left to the sweeper", intent=str(made.id))


def _image(picture: DevelopedPicture, key: str, variants: dict[str, str], alt: str) -> Image:
    return Image(
        id=new_id(),
        key=key,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        bytes=len(picture.data),
        variants=[
            {
                "name": each.name,
                "key": variants[each.name],
                "width": each.width,
                "height": each.height,
            }
            for each in picture.variants
        ],
        alt=alt,
    )
