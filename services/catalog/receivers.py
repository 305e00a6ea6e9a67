"""The catalog's reactions."""

from collections.abc import Sequence

import contracts
from heliograph import Event, receiver
from heliograph.database import Session
from services.catalog.repositories.views import ViewRepository


@receiver(contracts.viewed, sender=contracts.View, batch=500, ordered=False)
async def record_views(events: Sequence[Event[contracts.View]], session: Session) -> None:
    """Count views, and record who viewed where that is known."""
    await ViewRepository(session).record(event.instance for event in events)
