"""Views, counted by product and hour."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_

import contracts
from heliograph.database import Session, database_now, upsert
from services.console.models import ViewedHour


class ViewRepository:
    """How often products were viewed."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def count(self, views: Iterable[contracts.View]) -> None:
        """Add views to the hours in which they happened."""
        counts = Counter(
            (each.product_id, each.viewed_at.replace(minute=0, second=0, microsecond=0))
            for each in views
        )
        insert = upsert(self.session, ViewedHour)
        # In the order of the keys, so that two batches never wait for each other in a circle.
        rows = [
            {"product_id": product_id, "hour": hour, "count": count}
            for (product_id, hour), count in sorted(counts.items())
        ]
        insert = insert.values(rows)
        await self.session.execute(
            insert.on_conflict_do_update(
                index_elements=["product_id", "hour"],
                set_={"count": ViewedHour.count + insert.excluded.count},
            )
        )

    async def since(self, hour: datetime, product_id: UUID | None = None) -> int:
        """How often products, or one of them, were viewed since the beginning of an hour."""
        seen = select(func.coalesce(func.sum(ViewedHour.count), 0)).where(ViewedHour.hour >= hour)
        if product_id is not None:
            seen = seen.where(ViewedHour.product_id == product_id)
        return int(await self.session.scalar(seen) or 0)

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` hours of products that are older; return how many."""
        key = tuple_(ViewedHour.product_id, ViewedHour.hour)
        old = (
            select(ViewedHour.product_id, ViewedHour.hour)
            .where(ViewedHour.hour < database_now(-kept.total_seconds()))
            .order_by(ViewedHour.hour)
            .limit(limit)
        )
        gone = await self.session.scalars(
            delete(ViewedHour).where(key.in_(old)).returning(ViewedHour.hour)
        )
        return len(gone.all())
