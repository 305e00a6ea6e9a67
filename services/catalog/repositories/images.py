"""Images: intents, rows, and what a sweeper finds."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from services.catalog.errors import NotFound
from services.catalog.models import Image, ImageIntent, Product
from services.catalog.repositories.announcing import AnnouncingRepository, now
from shared import contracts
from shared.events import new_id
from shared.types import database_now

INTENT_LIFETIME = timedelta(minutes=10)
"""An upload is over by then, one way or the other."""


class ImageRepository(AnnouncingRepository[Image, contracts.Image]):
    """The one way to images. A change counts as one of their product: it bumps its version."""

    model = Image

    def snapshot(self, instance: Image) -> contracts.Image:
        return self.snapshots.image(instance)

    async def get(self, product_id: UUID, image_id: UUID) -> Image:
        """Load an image of that product; raise `NotFound`."""
        image = await self.session.scalar(
            select(Image).where(Image.id == image_id, Image.product_id == product_id)
        )
        if image is None:
            raise NotFound(f"the product {product_id} has no image {image_id}")
        return image

    async def knows(self, key: str) -> bool:
        """Whether a file of that name belongs to an image, itself or as a variant."""
        return await self.session.scalar(select(Image.id).where(Image.key == key)) is not None

    async def add(self, product: Product, image: Image) -> contracts.Image:
        """Add an image to a product from `ProductRepository.edit`."""
        image.product_id = product.id
        image.position = 1 + max((each.position for each in product.images), default=-1)
        image.created_at = now()
        self._bump(product)
        saved = await self._save(image, None, product.version, product)
        return saved or self.snapshot(image)

    async def delete(self, product: Product, image_id: UUID) -> None:
        """Delete an image of a product from `ProductRepository.edit`; raise `NotFound`."""
        image = next((each for each in product.images if each.id == image_id), None)
        if image is None:
            raise NotFound(f"the product {product.id} has no image {image_id}")
        self._bump(product)
        await self._delete(image, product.version, product)

    @staticmethod
    def _bump(product: Product) -> None:
        product.version += 1
        product.updated_at = now()

    async def intend(self, keys: list[str]) -> ImageIntent:
        """Write down which files an upload is about to make."""
        intent = ImageIntent(id=new_id(), keys=keys, created_at=now())
        self.session.add(intent)
        await self.session.flush()
        return intent

    async def fulfil(self, intent_id: UUID) -> bool:
        """Forget an intent whose files have found their row; False if it was swept before."""
        intent = await self.session.get(ImageIntent, intent_id, with_for_update=True)
        if intent is None:
            return False
        await self.session.delete(intent)
        await self.session.flush()
        return True

    async def stale_intent(self) -> ImageIntent | None:
        """Lock one intent that has outlived its upload and that no other sweeper works on."""
        return await self.session.scalar(
            select(ImageIntent)
            .where(ImageIntent.created_at < database_now(-INTENT_LIFETIME.total_seconds()))
            .order_by(ImageIntent.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
