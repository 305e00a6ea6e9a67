"""The console's reactions: it keeps what it hears."""

from collections.abc import Sequence

import contracts
from heliograph import Event, m2m_changed, post_delete, post_save, pre_delete, pre_save, receiver
from heliograph.database import Session
from services.console.repositories.events import EventRepository
from services.console.repositories.views import ViewRepository

_CHANGES = (pre_save, post_save, pre_delete, post_delete)


@receiver(m2m_changed, sender=contracts.Product, batch=500, ordered=False)
@receiver(
    _CHANGES,
    sender=(contracts.Product, contracts.Image, contracts.Category),
    batch=500,
    ordered=False,
)
async def keep_events(
    events: Sequence[Event[contracts.Product] | Event[contracts.Image] | Event[contracts.Category]],
    session: Session,
) -> None:
    """Keep events as they came."""
    await EventRepository(session).keep(events)


@receiver(contracts.viewed, sender=contracts.View, batch=500, ordered=False)
async def count_views(events: Sequence[Event[contracts.View]], session: Session) -> None:
    """Count views, and forget by whom."""
    await ViewRepository(session).count(event.instance for event in events)
