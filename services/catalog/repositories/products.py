"""Products: loading, saving, deleting."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from services.catalog.errors import Conflict, NotFound, PreconditionFailed
from services.catalog.models import Product
from services.catalog.repositories.announcing import AnnouncingRepository, now
from shared import contracts


class ProductRepository(AnnouncingRepository[Product, contracts.Product]):
    """The one way to products; every write sends its signals."""

    model = Product

    def snapshot(self, instance: Product) -> contracts.Product:
        return self.snapshots.product(instance)

    async def get(self, product_id: UUID) -> Product:
        """Load a product with its images and categories; raise `NotFound`."""
        return await self._load(product_id, lock=False)

    async def edit(self, product_id: UUID, *, version: int | None = None) -> Product:
        """Load a product to change it: nobody else can until the transaction ends.

        Raises `NotFound`, and `PreconditionFailed` if `version` is given and not current.
        """
        product = await self._load(product_id, lock=True)
        if version is not None and product.version != version:
            raise PreconditionFailed(
                f"the product has version {product.version}, not {version}: read it again"
            )
        self._originals[product.id] = self.snapshot(product)
        return product

    async def _load(self, product_id: UUID, *, lock: bool) -> Product:
        query = (
            select(Product)
            .where(Product.id == product_id)
            .options(selectinload(Product.images), selectinload(Product.categories))
        )
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        product = await self.session.scalar(query)
        if product is None:
            raise NotFound(f"there is no product {product_id}")
        return product

    async def save(self, product: Product) -> contracts.Product:
        """Insert a new product or update one from `edit`; return it as the public sees it.

        A save that changes nothing writes nothing and announces nothing. Raises `Conflict`
        if another product has the SKU.
        """
        original = self._originals.get(product.id)
        product.updated_at = now()
        if original is None:
            product.created_at = product.updated_at
            product.version = 1
        else:
            product.version = original.version + 1
        try:
            saved = await self._save(product, original, product.version)
        except IntegrityError as error:
            raise Conflict(f"another product has the SKU {product.sku}") from error
        if saved is None and original is not None:
            product.version, product.updated_at = original.version, original.updated_at
            return original
        snapshot = saved or self.snapshot(product)
        self._originals[product.id] = snapshot
        return snapshot

    async def delete(self, product: Product) -> None:
        """Delete a product from `edit`, with its images.

        The images travel in the product's snapshot and announce nothing of their own.
        """
        await self._delete(product, product.version + 1, *product.images)
        self._originals.pop(product.id, None)
