"""The events that were heard."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

import contracts
from heliograph import Event
from heliograph.database import Session, database_now, one_of
from services.console.models import HeardEvent
from services.console.phrases import phrase
from services.console.repositories.listed import COLUMNS, Filters, ListedEvent

_TABLE: Table = HeardEvent.__table__  # type: ignore[assignment]  # declarative's type is wider
WALK = 20_000
"""Ids that are looked through before an index is asked, which has its entries in another order."""

_KEPT = tuple(each for each in _TABLE.c if each.name not in ("id", "heard_at"))


class EventRepository:
    """Events of the catalog, each once, however often it is heard."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def keep(self, events: Sequence[Event[Any]]) -> None:
        """Keep events that are not kept yet."""
        products = await self._products(events)
        rows = [_row(each, products) for each in events]
        if self.session.get_bind().dialect.name == "postgresql":
            columns = {each.name: [row[each.name] for row in rows] for each in _KEPT}
            await self.session.execute(_UNNEST, columns)
        else:
            await self.session.execute(_INSERT, rows)

    async def _products(
        self, events: Iterable[Event[Any]]
    ) -> dict[UUID, tuple[str | None, str | None]]:
        """SKUs and names of the products whose images events are about, as last heard."""
        asked = {each.instance.subject for each in events if each.sender is contracts.Image}
        if not asked:
            return {}
        newest = (
            select(func.max(HeardEvent.id))
            .where(one_of(_TABLE.c.subject, asked), HeardEvent.sku.is_not(None))
            .group_by(HeardEvent.subject)
        )
        found = await self.session.execute(
            select(HeardEvent.subject, HeardEvent.sku, HeardEvent.name).where(
                HeardEvent.id.in_(newest)
            )
        )
        heard = {subject: (sku, name) for subject, sku, name in found}
        for each in events:
            if isinstance(each.instance, contracts.Product):
                heard[each.instance.id] = (each.instance.sku, each.instance.name)
        return heard

    async def listed(
        self,
        filters: Filters,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[ListedEvent]:
        """Up to `limit` events that the filters let through, newest first.

        The newest of all; with `before` the newest whose id is lower, with `after` the oldest
        whose id is higher.
        """
        newest_first = after is None
        bounds = [
            *([] if before is None else [HeardEvent.id < before]),
            *([] if after is None else [HeardEvent.id > after]),
        ]

        def in_order(key: ColumnElement[int]) -> ColumnElement[int]:
            return key.desc() if newest_first else key.asc()

        async def found(condition: ColumnElement[bool]) -> list[ListedEvent]:
            rows = await self.session.execute(
                select(*COLUMNS).where(condition).order_by(in_order(_TABLE.c.id)).limit(limit)
            )
            listed = [ListedEvent(*row) for row in rows]
            return listed if newest_first else listed[::-1]

        if (begins := filters.begins()) is not None:
            # Of what begins with a few characters there are many, and some are near.
            if after is None:
                start = await self.newest_id() + 1 if before is None else before
                near = HeardEvent.id.between(start - WALK, start - 1)
            else:
                near = HeardEvent.id.between(after + 1, after + WALK)
            listed = await found(and_(near, begins, *bounds))
            if len(listed) == limit:
                return listed
        ways = [
            # What looks like a calculation keeps a planner from walking all the way to some that
            # are far.
            select(HeardEvent.id)
            .where(*way.conditions, *bounds)
            .order_by(in_order(_TABLE.c.id + 0 if way.scattered else _TABLE.c.id))
            .limit(limit)
            .subquery()
            for way in filters.ways()
        ]
        # By each way the ids first: from an index, which need not be left for them.
        first, *others = [select(each.c.id) for each in ways]
        return await found(HeardEvent.id.in_(first.union(*others) if others else first))

    async def newest_id(self) -> int:
        """The highest id of all; 0 if there is none."""
        return await self.session.scalar(select(func.max(HeardEvent.id))) or 0

    async def heard_since(
        self, highest: int, missing: Collection[int], limit: int
    ) -> list[ListedEvent]:
        """Up to `limit` events above `highest`, oldest first, and those whose ids were missing."""
        above = HeardEvent.id > highest
        wanted = or_(above, one_of(_TABLE.c.id, missing)) if missing else above
        rows = await self.session.execute(
            select(*COLUMNS).where(wanted).order_by(HeardEvent.id).limit(limit)
        )
        return [ListedEvent(*row) for row in rows]

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` events that were heard longer ago; return how many."""
        old = (
            select(HeardEvent.id)
            .where(HeardEvent.heard_at < database_now(-kept.total_seconds()))
            .order_by(HeardEvent.heard_at)
            .limit(limit)
        )
        gone = await self.session.execute(delete(_TABLE).where(_TABLE.c.id.in_(old)))
        assert isinstance(gone, CursorResult)  # noqa: S101 - of a statement that returns no rows
        return gone.rowcount


# For any number of rows it is one statement, so that it is prepared once.
_ROWS = (
    func.unnest(*(bindparam(each.name, type_=ARRAY(each.type, dimensions=1)) for each in _KEPT))
    .table_valued(*(each.name for each in _KEPT))
    .render_derived()
)
_UNNEST = (
    postgresql.insert(_TABLE)
    .from_select([*(each.name for each in _KEPT), "heard_at"], select(*_ROWS.c, database_now()))
    .on_conflict_do_nothing(index_elements=["event_id"])
)
_INSERT = (
    sqlite.insert(_TABLE)
    .values(heard_at=database_now(), **{each.name: bindparam(each.name) for each in _KEPT})
    .on_conflict_do_nothing(index_elements=["event_id"])
)


def _row(event: Event[Any], products: dict[UUID, tuple[str | None, str | None]]) -> dict[str, Any]:
    instance, body = event.instance, event.body or b""
    parts = (event.traceparent or "").split("-")
    sku, name = None, getattr(instance, "name", None)
    if isinstance(instance, contracts.Product):
        sku = instance.sku
    elif isinstance(instance, contracts.Image):
        sku, name = products.get(instance.product_id, (None, None))
    return {
        "event_id": event.id,
        "sender": event.sender.sender_name,
        "signal": event.signal,
        "subject": instance.subject,
        "sku": sku,
        "name": name,
        "sought_sku": None if sku is None else sku.casefold(),
        "sought_name": None if name is None else name.casefold(),
        "sequence": event.sequence,
        "phrase": phrase(event),
        "actor": event.actor,
        "origin": event.origin,
        "trace": parts[1] if len(parts) == 4 else None,  # noqa: PLR2004 - W3C Trace Context
        "committed_at": event.time,
        "size": len(body),
        "body": body,
    }
