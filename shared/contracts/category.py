"""A category, as events tell of it."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from contracts.fields import Name, Slug, Version
from heliograph import Contract, Instant


class Category(Contract):
    """A category as it was when its event happened."""

    sender_name: ClassVar[str] = "catalog.category"
    relations: ClassVar[Mapping[str, str] | None] = {}

    id: UUID
    name: Name
    slug: Slug
    version: Version
    created_at: Instant
    updated_at: Instant

    @property
    def subject(self) -> UUID:
        return self.id
