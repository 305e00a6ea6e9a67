"""The catalog's reactions."""

from collections.abc import Sequence

from services.catalog import models
from services.catalog.repositories.views import ViewRepository
from services.catalog.signals import viewed
from shared import contracts
from shared.database import Session
from shared.events import Event
from shared.signals import post_delete, receiver


@receiver(viewed, sender=contracts.View, batch=500, ordered=False)
async def record_views(events: Sequence[Event[contracts.View]], session: Session) -> None:
    """Count views, and record who viewed where that is known."""
    await ViewRepository(session).record(event.instance for event in events)


@receiver(post_delete, sender=models.Product)
async def keep_view_count(event: Event[models.Product], session: Session) -> None:
    """Remember that the product existed, so that its views can still be read."""
    await ViewRepository(session).keep_count(event.instance.id)
