"""The events that were heard."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select

import contracts
from heliograph import Event
from heliograph.database import Session, database_now, upsert
from services.console.models import HeardEvent
from services.console.phrases import phrase


class EventRepository:
    """Events of the catalog, each once, however often it is heard."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def keep(self, events: Sequence[Event[Any]]) -> None:
        """Keep events that are not kept yet."""
        await self.session.execute(
            upsert(self.session, HeardEvent)
            .values(heard_at=database_now())
            .on_conflict_do_nothing(index_elements=["event_id"]),
            [_row(each) for each in events],
        )

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` events that were heard longer ago; return how many."""
        old = (
            select(HeardEvent.id)
            .where(HeardEvent.heard_at < database_now(-kept.total_seconds()))
            .order_by(HeardEvent.heard_at)
            .limit(limit)
        )
        gone = await self.session.scalars(
            delete(HeardEvent).where(HeardEvent.id.in_(old)).returning(HeardEvent.id)
        )
        return len(gone.all())


def _row(event: Event[Any]) -> dict[str, Any]:
    instance, body = event.instance, event.body or b""
    parts = (event.traceparent or "").split("-")
    return {
        "event_id": event.id,
        "sender": event.sender.sender_name,
        "signal": event.signal,
        "subject": instance.subject,
        "sku": instance.sku if isinstance(instance, contracts.Product) else None,
        "name": getattr(instance, "name", None),
        "sequence": event.sequence,
        "phrase": phrase(event),
        "actor": event.actor,
        "origin": event.origin,
        "trace": parts[1] if len(parts) == 4 else None,  # noqa: PLR2004 - W3C Trace Context
        "committed_at": event.time,
        "size": len(body),
        "body": body,
    }
