"""Snapshots and events for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self
from uuid import UUID

import contracts
from contracts.fields import Currency, Description, Link, Name, Price, Sku, Version
from heliograph import Contract, Event, Instant
from heliograph.events import new_id
from heliograph.storage import new_key


def product(**fields: Any) -> contracts.Product:
    """Make a product's snapshot; what a test does not name is plausible."""
    product_id: UUID = fields.setdefault("id", new_id())
    defaults: dict[str, Any] = {
        "url": f"http://catalog.test/v1/products/{product_id}",
        "sku": f"SKU-{product_id.hex[-6:]}",
        "name": "Lamp",
        "description": "Gives light.",
        "price": Decimal("19.99"),
        "currency": "EUR",
        "version": 1,
        "created_at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    }
    return contracts.Product(**defaults | fields)


def event(snapshot: Contract | None = None, **fields: Any) -> Event[Any]:
    """Make an event of that snapshot, as a repository would send it."""
    snapshot = snapshot or product()
    defaults: dict[str, Any] = {
        "sender": type(snapshot),
        "instance": snapshot,
        "snapshot": snapshot,
        "signal": "post_save",
        "version": getattr(snapshot, "version", None),
    }
    return Event(**defaults | fields)


def image(**fields: Any) -> contracts.Image:
    """Make an image's snapshot; what a test does not name is plausible."""
    key: str = fields.setdefault("key", new_key("png"))
    defaults: dict[str, Any] = {
        "id": new_id(),
        "product_id": new_id(),
        "url": f"http://catalog.test/v1/images/{key}",
        "content_type": "image/png",
        "width": 1,
        "height": 1,
        "bytes": 5,
    }
    return contracts.Image(**defaults | fields)


class ProductV2(Contract):
    """A product of which a later release says `title` for `name`, and tells both versions."""

    sender_name: ClassVar[str] = "catalog.product"
    contract_version: ClassVar[int] = 2
    before: ClassVar[type[Contract]] = contracts.Product

    id: UUID
    url: Link
    sku: Sku
    title: Name
    description: Description
    price: Price
    currency: Currency
    categories: tuple[UUID, ...] = ()
    images: tuple[contracts.Picture, ...] = ()
    version: Version
    created_at: Instant
    updated_at: Instant

    @property
    def subject(self) -> UUID:
        return self.id

    @classmethod
    def upcast(cls, older: contracts.Product) -> Self:
        fields = dict(older)
        return cls(title=fields.pop("name"), **fields)

    def downcast(self) -> contracts.Product:
        fields = dict(self)
        return contracts.Product(name=fields.pop("title"), **fields)


def renamed(**fields: Any) -> ProductV2:
    """Make the snapshot of a product that has a `title`, as `product` does."""
    return ProductV2.upcast(product(name=fields.pop("title", "Lamp"), **fields))
