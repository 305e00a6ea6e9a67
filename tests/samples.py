"""Snapshots and events for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import contracts
from heliograph import Contract, Event
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
