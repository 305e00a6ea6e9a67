"""The catalog, wired from its settings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from prometheus_client import Counter

from heliograph import BusUnavailable
from heliograph.bus import Bus
from heliograph.database import Bell
from heliograph.http import Health, OutboxMetrics
from heliograph.outbox import EventBuffer, Outbox, Relay, claims_for
from heliograph.service import Part, Role, Service
from heliograph.signals import MODEL_SIGNALS, check_collaborators
from heliograph.storage import ImageStore, image_store
from services.catalog import models
from services.catalog.idempotency import IdempotencyKeys
from services.catalog.images.sweeper import Sweeper
from services.catalog.repositories.reading import ProductReader
from services.catalog.repositories.search import is_modelled
from services.catalog.settings import CatalogSettings
from services.catalog.signals import viewed
from services.catalog.snapshots import Snapshots
from services.catalog.viewers import Viewers

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from heliograph.asyncapi import Announced
    from services.catalog.images.uploads import Uploads

SENDERS = (models.Product, models.Image, models.Category)


class Catalog(Service):
    """Products and their images; announces every change to them."""

    name: ClassVar[str] = "catalog"
    package: ClassVar[str] = "services.catalog"
    exchanges: ClassVar[tuple[str, ...]] = ("catalog.events",)
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
        super().__init__(settings, bus, models.inbox)
        self.images = images or image_store(settings.image_store_url)
        self.collaborators.add(ImageStore, self.images)
        self.idempotency_keys = IdempotencyKeys(self.database)
        self.pruned.append(self.idempotency_keys)
        self.viewers = Viewers(self.database, timedelta(days=settings.viewers_kept_days))
        self.pruned.append(self.viewers)
        self.snapshots = Snapshots(settings.public_url)
        self.collaborators.add(Snapshots, self.snapshots)
        self.collaborators.add(ProductReader, ProductReader(self.database, self.snapshots))
        self.outbox = Outbox(self.database, models.outbox, Bell("catalog_outbox"))
        self.bells.append(self.outbox.bell)
        outbox_metrics = OutboxMetrics(self.metrics, self.outbox, bus)
        self.relay = Relay(
            claims_for(self.database, models.outbox, models.relay_lease),
            bus,
            self.outbox.bell,
            on_published=outbox_metrics.published.inc,
            on_refused=outbox_metrics.refused.inc,
            on_failure=outbox_metrics.failed,
        )
        dropped = Counter(
            "viewed_dropped",
            "Views that were not announced as their buffer was full.",
            registry=self.metrics.registry,
        )
        self.views = EventBuffer(self.database, self.outbox, on_dropped=dropped.inc)
        self.backlogs[:0] = [self.views, self.outbox.backlog]
        self.outbox.connect(MODEL_SIGNALS, SENDERS)
        viewed.connect(self.views.hold, models.Product, last=True)

    @classmethod
    def announced(cls) -> "Sequence[Announced]":
        from services.catalog.announced import ANNOUNCED

        return ANNOUNCED

    def check_collaborators(self) -> None:
        super().check_collaborators()
        check_collaborators((*MODEL_SIGNALS, viewed), self.receiver_collaborators())

    @cached_property
    def uploads(self) -> "Uploads":
        """How pictures come in; of an API alone, which has processes that decode them."""
        from services.catalog.images import uploads

        return uploads.Uploads(self.database, self.images)

    def routers(self) -> "Sequence[APIRouter]":
        from services.catalog.api import routers

        return routers

    def api(self, health: Health) -> "FastAPI":
        from heliograph.web import outbox_router
        from services.catalog.api import handle_errors

        app = super().api(health)
        app.include_router(outbox_router(self.name, self.outbox))
        handle_errors(app)
        return app

    def parts(self, roles: Collection[Role]) -> list[Part]:
        parts = super().parts(roles)
        if "api" in roles:
            parts.append(self.views)
        if "relay" in roles:
            parts.append(self.relay)
        if "work" in roles:
            parts.append(Sweeper(self.database, self.images))
        return parts

    def health(self, roles: Collection[Role]) -> Health:
        health = super().health(roles)
        if "relay" in roles:
            health.add("relay", self._check_relay, required="api" not in roles)
            # All others go on: whoever looks is told, and nobody is to restart the program.
            health.add("outbox", self.outbox.check, required=False)
        return health

    async def _check_relay(self) -> None:
        if self.relay.trouble is not None:
            raise BusUnavailable(self.relay.trouble)

    async def close(self) -> None:
        self.outbox.disconnect(MODEL_SIGNALS, SENDERS)
        viewed.disconnect(self.views.hold, models.Product)
        if "uploads" in vars(self):
            self.uploads.close()
        await super().close()
