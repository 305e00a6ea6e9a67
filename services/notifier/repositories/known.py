"""What is known of rows that are due: their products, and their people."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from sqlalchemy import Select, Table, literal_column, or_, select

from heliograph.database import Session, one_of
from services.notifier.models import (
    Digest,
    Notification,
    Product,
    Request,
    Subscription,
    Suppression,
)
from services.notifier.sending.pace import HOUR, Pace
from services.notifier.sending.review import Asked, Heard, Told, Waiting, Wanted

_notification, _subscription, _suppression = (
    cast("Table", each.__table__).c for each in (Notification, Subscription, Suppression)
)
_PENDING = Notification.state == literal_column("'pending'")


@dataclass(slots=True)
class Known:
    """What the notifier has heard, and what its people said and were told."""

    told_by_them: list[Waiting] = field(default_factory=list)
    """The rows whose fate these decide already."""
    products: dict[UUID, Heard] = field(default_factory=dict)
    digests: dict[UUID, Any] = field(default_factory=dict)
    requests: dict[UUID, Asked] = field(default_factory=dict)
    suppressed: dict[str, str] = field(default_factory=dict)
    """By address, why nothing is sent to it."""
    wanted: dict[str, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def of(cls, session: Session, rows: Sequence[Waiting], now: datetime, pace: Pace) -> Self:
        """Look it up, a query for each kind."""
        known = cls()
        emails = {each.email for each in rows}
        known.told_by_them = [
            Waiting(*row) for row in await session.execute(_told_by({each.id for each in rows}))
        ]
        rows = [*rows, *known.told_by_them]
        if ids := {each.event_id for each in rows if each.topic == "digest"}:
            digests = select(Digest.id, Digest.facts).where(Digest.id.in_(ids))
            known.digests = {
                digest: json.loads(facts) for digest, facts in await session.execute(digests)
            }
        if ids := {each.event_id for each in rows if each.topic == "confirmation"}:
            known.requests = {row[0]: Asked(*row) for row in await session.execute(_asked(ids))}
        products = {each.product_id for each in rows if each.product_id} | {
            UUID(item["product_id"]) for each in known.digests.values() for item in each["items"]
        }
        known.products = {row[0]: Heard(*row) for row in await session.execute(_heard(products))}
        for row in await session.execute(_wanted(emails, products)):
            known.wanted[row.email].append(Wanted(*row))
        since = min(each.created_at for each in rows) - timedelta(seconds=pace.cooldown)
        since = min(since, now - timedelta(seconds=HOUR))
        for row in await session.execute(_told(emails, since)):
            known.told[row.email].append(Told(*row))
        suppressed = select(Suppression.email, Suppression.reason).where(
            one_of(_suppression.email, emails)
        )
        known.suppressed = {row.email: row.reason for row in await session.execute(suppressed)}
        return known


def _told_by(ids: set[int]) -> Select[Any]:
    columns = [getattr(Notification, name) for name in Waiting._fields]
    return select(*columns).where(_PENDING, Notification.told_by.in_(ids))


def _asked(ids: set[UUID]) -> Select[Any]:
    return select(*(getattr(Request, name) for name in Asked._fields)).where(Request.id.in_(ids))


def _heard(ids: set[UUID]) -> Select[Any]:
    return select(*(getattr(Product, name) for name in Heard._fields)).where(Product.id.in_(ids))


def _wanted(emails: set[str], products: set[UUID]) -> Select[Any]:
    return (
        select(*(getattr(Subscription, name) for name in Wanted._fields))
        .where(
            one_of(_subscription.email, emails),
            Subscription.wish.is_not(None),
            or_(Subscription.product_id.is_(None), Subscription.product_id.in_(products)),
        )
        .order_by(Subscription.id)
    )


def _told(emails: set[str], since: datetime) -> Select[Any]:
    """What was told by an email of its own; what was merged into one has none."""
    return select(*(getattr(Notification, name) for name in Told._fields)).where(
        one_of(_notification.email, emails), Notification.told_at > since
    )
