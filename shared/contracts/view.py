"""A view of a product, as events tell of it."""

from typing import ClassVar
from uuid import UUID

from contracts.fields import Viewer
from heliograph import Contract, Instant, Signal


class View(Contract):
    """Somebody looked at a product; `viewer` is the caller's subject, None if not known."""

    sender_name: ClassVar[str] = "catalog.product"
    flat: ClassVar[bool] = True

    product_id: UUID
    viewer: Viewer | None = None
    viewed_at: Instant

    @property
    def subject(self) -> UUID:
        return self.product_id


viewed = Signal("viewed", sender=View, buffered=True)
"""Somebody read a product.

In the catalog's process the sender is `models.Product`, but a read loads no row: `instance` is the
product as the reader was shown it, a `Product` of this package. `snapshot` is a `View`.
"""
