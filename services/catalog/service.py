"""The catalog, wired from its settings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from heliograph.bus import Bus
from heliograph.database import Signalling
from heliograph.http import Health
from heliograph.service import AnnouncingService, Part, Role
from heliograph.storage import ImageStore, image_store
from services.catalog import models
from services.catalog.idempotency import IdempotencyKeys
from services.catalog.images.sweeper import Sweeper
from services.catalog.repositories.reading import ProductReader
from services.catalog.repositories.search import is_modelled
from services.catalog.settings import CatalogSettings
from services.catalog.snapshots import Snapshots
from services.catalog.viewers import Viewers

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from services.catalog.images.uploads import Uploads


class Catalog(AnnouncingService):
    """Products and their images; announces every change to them."""

    name: ClassVar[str] = "catalog"
    package: ClassVar[str] = "services.catalog"
    exchanges: ClassVar[tuple[str, ...]] = ("catalog.events",)
    senders: ClassVar[tuple[type[Signalling], ...]] = (
        models.Product,
        models.Image,
        models.Category,
    )
    title: ClassVar[str] = "Heliograph catalog"
    description: ClassVar[str] = "Products, their images and their views, and an event for each."
    migration_options: ClassVar[Mapping[str, Any]] = {"include_object": is_modelled}
    crash_points: ClassVar[Mapping[str, str]] = {
        "catalog.after_row": "the row is written, its events are not",
        "catalog.after_file": "an image's first file is stored, its row is not written",
    }

    def __init__(
        self, settings: CatalogSettings, bus: Bus, *, images: ImageStore | None = None
    ) -> None:
        super().__init__(
            settings, bus, models.inbox, models.programs, models.outbox, models.relay_lease
        )
        self.images = images or image_store(settings.image_store_url)
        self.collaborators.add(ImageStore, self.images)
        self.idempotency_keys = IdempotencyKeys(self.database)
        self.pruned.append(self.idempotency_keys)
        self.viewers = Viewers(self.database, timedelta(days=settings.viewers_kept_days))
        self.pruned.append(self.viewers)
        self.snapshots = Snapshots(settings.public_url)
        self.collaborators.add(Snapshots, self.snapshots)
        self.collaborators.add(ProductReader, ProductReader(self.database, self.snapshots))

    @cached_property
    def uploads(self) -> "Uploads":
        """How pictures come in; of an API alone, which has processes that decode them."""
        from services.catalog.images import uploads

        return uploads.Uploads(self.database, self.images)

    def routers(self) -> "Sequence[APIRouter]":
        from services.catalog.api import routers

        return routers

    def api(self, health: Health) -> "FastAPI":
        from services.catalog.api import handle_errors

        app = super().api(health)
        handle_errors(app)
        return app

    def parts(self, roles: Collection[Role]) -> list[Part]:
        parts = super().parts(roles)
        if "work" in roles:
            parts.append(Sweeper(self.database, self.images))
        return parts

    async def close(self) -> None:
        if "uploads" in vars(self):
            self.uploads.close()
        await super().close()
