"""The public snapshots that events carry: what other services may rely on.

A snapshot is a frozen copy of a row at one moment. Fields are only ever added; a
change that breaks readers gets a new version of the event type. Readers ignore
fields that they do not know.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema


@lru_cache(maxsize=128)  # one moment stands in every row and event of a transaction
def rfc3339(value: datetime) -> str:
    """Format a moment as RFC 3339 in UTC: `2026-01-31T09:30:00.000000Z`."""
    in_utc = value.astimezone(UTC).isoformat(timespec="microseconds")
    return in_utc.removesuffix("+00:00") + "Z"


Instant = Annotated[
    AwareDatetime,
    PlainSerializer(rfc3339, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment, aware of its zone; RFC 3339 UTC in JSON."""

Price = Annotated[Decimal, WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"})]
"""An amount in the currency's major unit, with exactly the decimals that ISO 4217 gives the
currency; a string in JSON, so that no reader rounds it."""


_BOOKKEEPING = frozenset({"version", "updated_at"})


class Contract(BaseModel):
    """A frozen public snapshot."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sender_name: ClassVar[str]
    """Names the sender on the bus: `<service>.<noun>`."""

    flat: ClassVar[bool] = False
    """True if the fields stand in the event's body itself, not under `instance`."""

    @property
    def subject(self) -> UUID:
        """The id of what the event is about; events of one subject keep their order."""
        raise NotImplementedError

    def changes_to(self, other: Self) -> "Changes":
        """What differs from this snapshot to `other`, by field, in their JSON form.

        The bookkeeping fields `version` and `updated_at` do not count as a change.
        """
        changed = {
            name
            for name in type(self).model_fields
            if name not in _BOOKKEEPING and getattr(self, name) != getattr(other, name)
        }
        if not changed:
            return {}
        before = self.model_dump(mode="json", include=changed)
        after = other.model_dump(mode="json", include=changed)
        return {name: {"from": before[name], "to": after[name]} for name in before}


Changes = dict[str, dict[str, Any]]
"""`{field: {"from": before, "to": after}}`, values in their JSON form."""


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


class Category(Contract):
    """A category as it was when its event happened."""

    sender_name: ClassVar[str] = "catalog.category"

    id: UUID
    name: str
    slug: str
    version: int
    created_at: Instant
    updated_at: Instant

    @property
    def subject(self) -> UUID:
        return self.id


class View(Contract):
    """Somebody looked at a product; `viewer` is the caller's subject, None if not known."""

    sender_name: ClassVar[str] = "catalog.product"
    flat: ClassVar[bool] = True

    product_id: UUID
    viewer: str | None = None
    viewed_at: Instant

    @property
    def subject(self) -> UUID:
        return self.product_id
