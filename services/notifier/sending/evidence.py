"""The evidence: what a second look is taken at, as it stands in the notifier's tables."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notifier.models import Kind, Topic


class Waiting(NamedTuple):
    """A row of the ledger that is not settled."""

    id: int
    token: int
    attempts: int
    email: str
    event_id: UUID
    subscription_id: UUID
    topic: Kind
    product_id: UUID | None
    currency: str | None
    old_minor: int | None
    secret: str | None
    due_at: datetime
    letter_id: UUID | None
    told_at: datetime | None
    told_by: int | None
    created_at: datetime


class Told(NamedTuple):
    """An email that was sent, or may have been, or is being sent right now."""

    email: str
    topic: Kind
    product_id: UUID | None
    told_currency: str | None
    told_minor: int | None
    told_at: datetime


class Wanted(NamedTuple):
    """A subscription that has not ended."""

    id: UUID
    email: str
    topic: Topic
    product_id: UUID | None
    target_minor: int | None
    currency: str | None
    token: str
    locale: str | None


class Asked(NamedTuple):
    """A request that is to be confirmed."""

    id: UUID
    topic: Topic
    target_minor: int | None
    currency: str | None
    locale: str | None
    expires_at: datetime
    confirmed_at: datetime | None


class Heard(NamedTuple):
    """A product as the newest of its events showed it."""

    id: UUID
    sequence: str
    gone: bool
    currency: str
    price_minor: int | None
