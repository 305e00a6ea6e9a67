"""The catalog's reactions."""

from collections.abc import Sequence

from services.catalog.repositories.views import ViewRepository
from services.catalog.signals import viewed
from shared import contracts
from shared.database import Session
from shared.events import Event
from shared.signals import receiver


@receiver(viewed, sender=contracts.View, batch=500, ordered=False)
async def record_views(events: Sequence[Event[contracts.View]], session: Session) -> None:
    """Count views, and record who viewed where that is known."""
    await ViewRepository(session).record(event.instance for event in events)
