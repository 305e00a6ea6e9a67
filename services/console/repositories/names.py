"""What events are about, in words."""

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from sqlalchemy import select

from heliograph.database import Session
from services.console.models import HeardEvent


async def names_of(session: Session, event_ids: Iterable[str | UUID]) -> dict[str, str]:
    """By event id, what the event is about; of those that were heard and are kept."""
    ids = set()
    for each in event_ids:
        with suppress(ValueError):
            ids.add(each if isinstance(each, UUID) else UUID(each))
    if not ids:
        return {}
    found = await session.execute(
        select(HeardEvent.event_id, HeardEvent.name, HeardEvent.sku).where(
            HeardEvent.event_id.in_(ids)
        )
    )
    return {str(event_id): word for event_id, name, sku in found if (word := name or sku)}
