"""Public snapshots of rows: the contracts, filled from the models."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import contracts
from heliograph.money import from_minor
from services.catalog import models


class Snapshots:
    """Makes snapshots with links that begin at the catalog's public URL."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def product(self, product: models.Product) -> contracts.Product:
        """Copy a product with its images and categories, which must be loaded."""
        return contracts.Product(
            id=product.id,
            url=self.product_url(product.id),
            sku=product.sku,
            name=product.name,
            description=product.description,
            price=from_minor(product.price_minor, product.currency),
            currency=product.currency,
            categories=tuple(category.id for category in product.categories),
            images=tuple(contracts.Picture(**self._fields(image)) for image in product.images),
            version=product.version,
            created_at=product.created_at,
            updated_at=product.updated_at,
        )

    def product_of(
        self,
        row: Mapping[str, Any],
        images: Iterable[Mapping[str, Any]],
        categories: Iterable[UUID],
    ) -> contracts.Product:
        """Make the snapshot of a product from columns by name: its own, and those of its images."""
        return contracts.Product(
            **row,
            url=self.product_url(row["id"]),
            price=from_minor(row["price_minor"], row["currency"]),
            categories=tuple(categories),
            images=tuple(
                contracts.Picture(**image, url=self.image_url(image["key"])) for image in images
            ),
        )

    def image(self, image: models.Image) -> contracts.Image:
        """Copy an image; it names its product."""
        return contracts.Image(product_id=image.product_id, **self._fields(image))

    @staticmethod
    def category(category: models.Category) -> contracts.Category:
        """Copy a category."""
        return contracts.Category(
            id=category.id,
            name=category.name,
            slug=category.slug,
            version=category.version,
            created_at=category.created_at,
            updated_at=category.updated_at,
        )

    def product_url(self, product_id: UUID) -> str:
        """Where clients find the product."""
        return f"{self._base}/v1/products/{product_id}"

    def category_url(self, category_id: UUID) -> str:
        """Where clients find the category."""
        return f"{self._base}/v1/categories/{category_id}"

    def image_url(self, key: str) -> str:
        """Where clients find a file of an image."""
        return f"{self._base}/v1/images/{key}"

    def _fields(self, image: models.Image) -> dict[str, Any]:
        return {
            "id": image.id,
            "key": image.key,
            "url": self.image_url(image.key),
            "content_type": image.content_type,
            "width": image.width,
            "height": image.height,
            "bytes": image.bytes,
            "variants": tuple(contracts.Variant(**each) for each in image.variants),
            "position": image.position,
            "alt": image.alt,
        }
