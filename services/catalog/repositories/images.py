"""Images: intents, rows, and what a sweeper finds."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import typing_extensions
from sqlalchemy import select

import contracts
from heliograph import Signal
from heliograph.database import Session, database_now
from heliograph.events import new_id
from services.catalog.errors import Conflict, NotFound, TooManyImages
from services.catalog.models import Image, ImageIntent, Product
from services.catalog.repositories.announcing import Announcer, flush, next_version, now
from services.catalog.snapshots import Snapshots

D = typing_extensions.TypeVar("D", default=None)

STEP = 1_000
"""Rows that are held in memory at once where all are read."""

MOST_IMAGES = 100
"""Of a product: every event about it carries them all, twice where there is a before."""

INTENT_LIFETIME = timedelta(minutes=10)
"""An upload is over by then, one way or the other."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that an image's row names."""

    product_id: UUID
    image_id: UUID
    key: str


def _move(image: Image, position: int, among: Iterable[Image]) -> None:
    others = [each for each in among if each is not image]
    others.sort(key=lambda each: (each.position, each.id))
    others.insert(position, image)
    for place, each in enumerate(others):
        each.position = place


class ImageRepository:
    """The one way to images. A change counts as one of their product: it bumps its version."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._snapshots = session.collaborators[Snapshots]
        self._announcer = Announcer(session, Image, self._snapshots.image)

    def snapshot(self, image: Image) -> contracts.Image:
        """Copy the image as the public sees it."""
        return self._snapshots.image(image)

    async def get(self, product_id: UUID, image_id: UUID) -> tuple[Image, int]:
        """Load an image of that product, and the product's version; raise `NotFound`."""
        found = await self.session.execute(
            select(Image, Product.version)
            .join(Product, Product.id == Image.product_id)
            .where(Image.id == image_id, Image.product_id == product_id)
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound(f"the product {product_id} has no image {image_id}")
        return row[0], row[1]

    async def add(self, product: Product, image: Image) -> contracts.Image:
        """Add an image to a product from `ProductRepository.edit`; raise `TooManyImages`."""
        if len(product.images) >= MOST_IMAGES:
            raise TooManyImages(MOST_IMAGES)
        image.product_id = product.id
        image.position = 1 + max((each.position for each in product.images), default=-1)
        image.created_at = now()
        self._touch(product)
        async with self._announcer.saving([(image, None, product.version)]) as saved:
            self.session.add(image)
            await flush(self.session, [image, product])
        return saved[0]

    async def change(
        self,
        product: Product,
        image_id: UUID,
        *,
        alt: str | None = None,
        position: int | None = None,
    ) -> contracts.Image:
        """Change an image of a product from `ProductRepository.edit`; raise `NotFound`.

        At position 0 it becomes the main image, at one too large the last. The others make
        room, which is a change of theirs too.
        """
        image = self.of(product, image_id)
        originals = [(each, self.snapshot(each)) for each in product.images]
        if alt is not None:
            image.alt = alt
        if position is not None:
            _move(image, position, product.images)
        changed = [each for each in originals if self.snapshot(each[0]) != each[1]]
        if changed:
            before = product.version, product.updated_at
            self._touch(product)
            drafts = [(each, original, product.version) for each, original in changed]
            async with self._announcer.saving(drafts) as snapshots:
                written = [
                    each
                    for (each, original), snapshot in zip(changed, snapshots, strict=True)
                    if snapshot is not original
                ]
                if written:
                    await flush(self.session, [*written, product])
                else:
                    product.version, product.updated_at = before
        return self.snapshot(image)

    async def announce(
        self, signal: Signal[D], product: Product, image_id: UUID, data: D | None = None
    ) -> contracts.Image:
        """Announce a signal of one's own about an image of a product from `edit`, as its change."""
        image = self.of(product, image_id)
        return await self._announcer.announce(signal, image, data, of=product)

    async def delete(self, product: Product, image_id: UUID) -> None:
        """Delete an image of a product from `ProductRepository.edit`; raise `NotFound`."""
        image = self.of(product, image_id)
        self._touch(product)
        async with self._announcer.deleting([(image, product.version)]):
            await self.session.delete(image)
            await flush(self.session, [image, product])

    async def delete_all(self, products: Iterable[tuple[Product, int]]) -> None:
        """Delete the images of products that are deleted next, each with the version of that.

        They are announced as gone with their product, which keeps them in its snapshot.
        """
        drafts = [(image, version) for product, version in products for image in product.images]
        if not drafts:
            return
        async with self._announcer.deleting(drafts, cascade=contracts.Product.sender_name):
            images = [image for image, _ in drafts]
            await self.session.delete_all(images)
            await flush(self.session, images)

    @staticmethod
    def of(product: Product, image_id: UUID) -> Image:
        """Find an image among those of a loaded product; raise `NotFound`."""
        for image in product.images:
            if image.id == image_id:
                return image
        raise NotFound(f"the product {product.id} has no image {image_id}")

    def _touch(self, product: Product) -> None:
        product.version = next_version(self.session, product.id, product.version)
        product.updated_at = now()

    async def exists(self, image_id: UUID) -> bool:
        """Whether there is such an image now."""
        found = await self.session.scalar(select(Image.id).where(Image.id == image_id))
        return found is not None

    async def files(self) -> AsyncIterator[NamedFile]:
        """Read which files all images have."""
        query = select(Image.id, Image.product_id, Image.key, Image.variants)
        query, last = query.order_by(Image.id).limit(STEP), UUID(int=0)
        while rows := (await self.session.execute(query.where(Image.id > last))).all():
            for image_id, product_id, key, variants in rows:
                for each in (key, *(variant["key"] for variant in variants)):
                    yield NamedFile(product_id, image_id, each)
            last = rows[-1].id

    async def intended_keys(self) -> set[str]:
        """Read which files uploads under way have made, or are about to make."""
        intents = await self.session.scalars(select(ImageIntent.keys))
        return {key for keys in intents for key in keys}

    async def intend(self, keys: list[str]) -> ImageIntent:
        """Write down which files an upload is about to make."""
        # By the clock that tells its age later.
        intent = ImageIntent(id=new_id(), keys=keys, created_at=database_now())
        self.session.add(intent)
        await self.session.flush()
        return intent

    async def claim(self, intent_id: UUID) -> ImageIntent | None:
        """Lock an intent; None if it was fulfilled or swept before."""
        return await self.session.get(ImageIntent, intent_id, with_for_update=True)

    async def fulfil(self, intent_id: UUID) -> None:
        """Forget an intent whose files have found their row; raise `Conflict` if it was swept."""
        intent = await self.claim(intent_id)
        if intent is None:
            raise Conflict("the upload took too long: send the file again")
        await self.session.delete(intent)
        await self.session.flush()

    async def stale_intent(self) -> ImageIntent | None:
        """Lock one intent that has outlived its upload and that no other sweeper works on."""
        return await self.session.scalar(
            select(ImageIntent)
            .where(ImageIntent.created_at < database_now(-INTENT_LIFETIME.total_seconds()))
            .order_by(ImageIntent.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
