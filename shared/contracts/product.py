"""A product and its images, as events tell of them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.category import Category
from contracts.fields import (
    MOST_CATEGORIES,
    MOST_IMAGES,
    Alt,
    Currency,
    Description,
    Key,
    Link,
    MediaType,
    Name,
    Part,
    Price,
    Size,
    Sku,
    Version,
)
from heliograph import Contract, Instant
from heliograph.money import is_amount


class Variant(Part):
    """A smaller rendition of an image; width and height in pixels."""

    name: Annotated[str, Field(max_length=200)]
    key: Key
    width: Size
    height: Size


class Picture(Part):
    """An image as it stands within its product's snapshot; `bytes` is the file's size.

    The images of a product are in order, its main one first; `position` ascends in that
    order and may leave gaps. `alt` tells in words what the picture shows, empty if unknown.
    """

    id: UUID
    key: Key
    url: Link
    content_type: MediaType
    width: Size
    height: Size
    bytes: Size
    variants: Annotated[tuple[Variant, ...], Field(max_length=100, fail_fast=True)] = ()
    position: Size = 0
    alt: Alt = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every file of this image in the image store."""
        return (self.key, *(variant.key for variant in self.variants))


class Product(Contract):
    """A product as it was when its event happened."""

    sender_name: ClassVar[str] = "catalog.product"
    relations: ClassVar[Mapping[str, str] | None] = {"categories": Category.sender_name}

    id: UUID
    url: Link
    sku: Sku
    name: Name
    description: Description
    price: Price
    currency: Currency
    categories: Annotated[tuple[UUID, ...], Field(max_length=MOST_CATEGORIES, fail_fast=True)] = ()
    images: Annotated[tuple[Picture, ...], Field(max_length=MOST_IMAGES, fail_fast=True)] = ()
    version: Version
    created_at: Instant
    updated_at: Instant

    @model_validator(mode="after")
    def _has_a_price_of_its_currency(self) -> Self:
        if not is_amount(self.price, self.currency):
            raise PydanticCustomError("price", "the price is no amount of its currency")
        return self

    @property
    def subject(self) -> UUID:
        return self.id


class Image(Picture, Contract):
    """An image as it was when its event happened; its subject is its product."""

    sender_name: ClassVar[str] = "catalog.image"
    relations: ClassVar[Mapping[str, str] | None] = {}

    product_id: UUID

    @property
    def subject(self) -> UUID:
        return self.product_id
