"""What happened to one product, as far as events tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import select
from sqlalchemy.orm import undefer

import contracts
from heliograph.database import Session
from services.console.models import HeardEvent

MOST = 500
"""Events of a product that are looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a product: the events that share its version."""

    at: datetime
    phrases: Sequence[str]
    actor: str | None
    origin: str | None
    event_id: UUID
    """Of its first event, which leads to the others."""


class HistoryRepository:
    """The history of products."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def changes(self, product_id: UUID) -> list[Change]:
        """Its changes, the newest first; at most what `MOST` events tell."""
        found = await self.session.scalars(
            select(HeardEvent)
            .where(HeardEvent.subject == product_id)
            .order_by(HeardEvent.id.desc())
            .limit(MOST)
        )
        events = sorted(found, key=lambda each: (each.sequence or "", each.id), reverse=True)
        changes = groupby(events, lambda each: each.version)
        return [_change([*reversed([*of_change])]) for _, of_change in changes]

    async def snapshot(self, product_id: UUID) -> dict[str, Any] | None:
        """The product as the last event showed it; None if none that is kept did."""
        found = await self.session.scalar(
            select(HeardEvent)
            .where(
                HeardEvent.subject == product_id,
                HeardEvent.sender == contracts.Product.sender_name,
            )
            .order_by(HeardEvent.sequence.desc(), HeardEvent.id.desc())
            .limit(1)
            .options(undefer(HeardEvent.body))
        )
        if found is None:
            return None
        snapshot: dict[str, Any] = from_json(found.body)["instance"]
        return {**snapshot, "gone": found.signal in ("pre_delete", "post_delete")}


def _change(events: Sequence[HeardEvent]) -> Change:
    """One change of its events, the first of them first."""
    first = events[0]
    return Change(
        at=first.committed_at,
        phrases=[*dict.fromkeys(each.phrase for each in events)],
        actor=first.actor,
        origin=first.origin,
        event_id=first.event_id,
    )
