"""Views: who looked at which product, and how often."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.catalog.models import Product, ViewCount, Viewer
from shared import contracts
from shared.database import Session


class ViewRepository:
    """Counts and viewers; they outlive their product."""

    def __init__(self, session: Session) -> None:
        self.session = session
        dialect = session.get_bind().dialect.name
        self._insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
        self._greatest = func.max if dialect == "sqlite" else func.greatest

    async def count_of(self, product_id: UUID) -> int | None:
        """How often the product was viewed; None if there never was such a product."""
        count = await self.session.scalar(
            select(ViewCount.count).where(ViewCount.product_id == product_id)
        )
        if count is None:
            exists = await self.session.scalar(select(Product.id).where(Product.id == product_id))
            return None if exists is None else 0
        return count

    async def viewers_of(
        self, product_id: UUID, *, limit: int, after: str | None = None
    ) -> list[Viewer]:
        """List the product's viewers by name, beginning behind `after`."""
        query = select(Viewer).where(Viewer.product_id == product_id)
        if after is not None:
            query = query.where(Viewer.viewer > after)
        return list(await self.session.scalars(query.order_by(Viewer.viewer).limit(limit)))

    async def keep_counts(self, product_ids: Collection[UUID]) -> None:
        """Let the products' counts be answered for after they are gone."""
        if product_ids:
            await self.session.execute(
                self._insert(ViewCount).on_conflict_do_nothing(index_elements=["product_id"]),
                [{"product_id": each, "count": 0} for each in sorted(product_ids)],
            )

    async def record(self, views: Iterable[contracts.View]) -> None:
        """Add views to the counts, and to their viewers where the caller is known."""
        counts: Counter[UUID] = Counter()
        by_viewer: Counter[tuple[UUID, str]] = Counter()
        last: dict[tuple[UUID, str], datetime] = {}
        for view in views:
            counts[view.product_id] += 1
            if view.viewer is not None:
                key = (view.product_id, view.viewer)
                by_viewer[key] += 1
                last[key] = max(view.viewed_at, last.get(key, view.viewed_at))
        # In the order of the keys, so that two batches never wait for each other in a circle.
        if counts:
            insert = self._insert(ViewCount).values(
                [{"product_id": id_, "count": count} for id_, count in sorted(counts.items())]
            )
            await self.session.execute(
                insert.on_conflict_do_update(
                    index_elements=["product_id"],
                    set_={"count": ViewCount.count + insert.excluded.count},
                )
            )
        if by_viewer:
            insert = self._insert(Viewer).values(
                [
                    {
                        "product_id": key[0],
                        "viewer": key[1],
                        "count": count,
                        "last_viewed_at": last[key],
                    }
                    for key, count in sorted(by_viewer.items())
                ]
            )
            await self.session.execute(
                insert.on_conflict_do_update(
                    index_elements=["product_id", "viewer"],
                    set_={
                        "count": Viewer.count + insert.excluded.count,
                        "last_viewed_at": self._greatest(
                            Viewer.last_viewed_at, insert.excluded.last_viewed_at
                        ),
                    },
                )
            )
