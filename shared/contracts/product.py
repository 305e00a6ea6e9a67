"""A product and its images, as events tell of them."""

from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from heliograph import Contract, Instant

Price = Annotated[Decimal, WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})]
"""An amount in the currency's major unit, with exactly the decimals that ISO 4217 gives the
currency; a string in JSON, so that no reader rounds it."""


class Variant(BaseModel):
    """A smaller rendition of an image; width and height in pixels."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    key: str
    width: int
    height: int


class Picture(BaseModel):
    """An image as it stands within its product's snapshot; `bytes` is the file's size.

    The images of a product are in order, its main one first; `position` ascends in that
    order and may leave gaps. `alt` tells in words what the picture shows, empty if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    key: str
    url: str
    content_type: str
    width: int
    height: int
    bytes: int
    variants: tuple[Variant, ...] = ()
    position: int = 0
    alt: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every file of this image in the image store."""
        return (self.key, *(variant.key for variant in self.variants))


class Product(Contract):
    """A product as it was when its event happened."""

    sender_name: ClassVar[str] = "catalog.product"

    id: UUID
    url: str
    sku: str
    name: str
    description: str
    price: Price
    currency: str
    categories: tuple[UUID, ...] = ()
    images: tuple[Picture, ...] = ()
    version: int
    created_at: Instant
    updated_at: Instant

    @property
    def subject(self) -> UUID:
        return self.id


class Image(Picture, Contract):
    """An image as it was when its event happened; its subject is its product."""

    sender_name: ClassVar[str] = "catalog.image"

    product_id: UUID

    @property
    def subject(self) -> UUID:
        return self.product_id
