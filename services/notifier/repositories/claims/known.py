"""What is known of rows that are due: their products, and their people."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph.database import UtcDateTime, one_of
from services.notifier.models import (
    Base,
    Digest,
    Notification,
    Product,
    Request,
    Subscription,
    Suppression,
)
from services.notifier.sending.evidence import Asked, Heard, Told, Waiting, Wanted
from services.notifier.sending.pace import HOUR, Pace


def _columns_of(model: type[Base]) -> Any:
    return cast("Table", model.__table__).c


# Tables, and made once: claims look up all of this for a hundred emails at a time.
_notification, _subscription, _suppression, _product, _request, _digest = map(
    _columns_of, (Notification, Subscription, Suppression, Product, Request, Digest)
)
_DIGESTS = select(_digest.id, _digest.facts).where(one_of(_digest.id, "ids"))
_ASKED = select(*(_request[name] for name in Asked._fields)).where(one_of(_request.id, "ids"))
_HEARD = select(*(_product[name] for name in Heard._fields)).where(one_of(_product.id, "ids"))
_WANTED = (
    select(*(_subscription[name] for name in Wanted._fields), _suppression.reason)
    .outerjoin_from(
        Subscription.__table__,
        Suppression.__table__,
        _suppression.email == _subscription.email,
    )
    .where(
        one_of(_subscription.email, "emails"),
        _subscription.wish.is_not(None),
        or_(_subscription.product_id.is_(None), one_of(_subscription.product_id, "products")),
    )
    .order_by(_subscription.id)
)
# What was merged into another's email has no moment of its own. Of all new products there may be
# one email too many; of prices only those of the same product count.
_TOLD = select(*(_notification[name] for name in Told._fields)).where(
    one_of(_notification.email, "emails"),
    _notification.told_at > bindparam("since", type_=UtcDateTime()),
    or_(_notification.topic == "new_product", one_of(_notification.product_id, "products")),
)


@dataclass(slots=True)
class Known:
    """What the notifier has heard, and what its people said and were told."""

    products: dict[UUID, Heard] = field(default_factory=dict)
    digests: dict[UUID, Any] = field(default_factory=dict)
    requests: dict[UUID, Asked] = field(default_factory=dict)
    suppressed: dict[str, str] = field(default_factory=dict)
    """By address, why nothing is sent to it, whatever is wanted."""
    wanted: dict[str, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def of(
        cls, connection: AsyncConnection, rows: Sequence[Waiting], now: datetime, pace: Pace
    ) -> Self:
        """Look it up, a query for each kind."""

        async def find(query: Select[Any], **values: Any) -> Sequence[Any]:
            rows: Sequence[Any] = (await connection.execute(query, values)).all()
            return rows

        known = cls()
        if ids := {each.event_id for each in rows if each.topic == "digest"}:
            known.digests = {row.id: json.loads(row.facts) for row in await find(_DIGESTS, ids=ids)}
        if ids := {each.event_id for each in rows if each.topic == "confirmation"}:
            known.requests = {row[0]: Asked(*row) for row in await find(_ASKED, ids=ids)}
        products = {each.product_id for each in rows if each.product_id} | {
            UUID(item["product_id"]) for each in known.digests.values() for item in each["items"]
        }
        known.products = {row[0]: Heard(*row) for row in await find(_HEARD, ids=products)}
        emails = {each.email for each in rows}
        for row in await find(_WANTED, emails=emails, products=products):
            known.wanted[row.email].append(Wanted(*row[:-1]))
            if row.reason:
                known.suppressed[row.email] = row.reason
        since = min(each.created_at for each in rows) - timedelta(seconds=pace.cooldown)
        since = min(since, now - timedelta(seconds=HOUR))
        for row in await find(_TOLD, emails=emails, since=since, products=products):
            known.told[row.email].append(Told(*row))
        return known
