"""Views: who looked at which product, and how often."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, tuple_
from sqlalchemy.sql.dml import ReturningInsert

import contracts
from heliograph.database import Session, database_now, upsert
from services.catalog.models import Product, ViewCount, ViewDay, Viewer, ViewerDay


class ViewRepository:
    """Counts and viewers; they outlive their product."""

    def __init__(self, session: Session) -> None:
        self.session = session
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        self._greatest = func.max if is_sqlite else func.greatest

    async def counts_of(self, product_id: UUID) -> tuple[int, int] | None:
        """How often the product was viewed, and by how many that are known.

        None if there never was such a product.
        """
        counts = await self.session.get(ViewCount, product_id)
        if counts is not None:
            return counts.count, counts.viewers
        exists = await self.session.scalar(select(Product.id).where(Product.id == product_id))
        return None if exists is None else (0, 0)

    async def viewers_of(
        self, product_id: UUID, *, limit: int, after: str | None = None
    ) -> list[Viewer]:
        """List the product's viewers by name, beginning behind `after`."""
        query = select(Viewer).where(Viewer.product_id == product_id)
        if after is not None:
            query = query.where(Viewer.viewer > after)
        return list(await self.session.scalars(query.order_by(Viewer.viewer).limit(limit)))

    async def days_of(
        self, product_id: UUID, *, limit: int, before: date | None = None
    ) -> list[ViewDay]:
        """List the days on which the product was viewed, all or before one, the newest first."""
        query = select(ViewDay).where(ViewDay.product_id == product_id)
        if before is not None:
            query = query.where(ViewDay.day < before)
        return list(await self.session.scalars(query.order_by(ViewDay.day.desc()).limit(limit)))

    async def keep_counts(self, product_ids: Collection[UUID]) -> None:
        """Let the products' counts be answered for after they are gone."""
        if product_ids:
            await self.session.execute(
                upsert(self.session, ViewCount).on_conflict_do_nothing(
                    index_elements=["product_id"]
                ),
                [{"product_id": each, "count": 0} for each in sorted(product_ids)],
            )

    async def record(self, views: Iterable[contracts.View]) -> None:
        """Add views to the counts, and to their viewers where the caller is known.

        A view counts for the day of `viewed_at`, in UTC, whenever it arrives.
        """
        counts: Counter[UUID] = Counter()
        by_day: Counter[tuple[UUID, date]] = Counter()
        by_viewer: Counter[tuple[UUID, str]] = Counter()
        last: dict[tuple[UUID, str], datetime] = {}
        seen: set[tuple[date, UUID, str]] = set()
        for view in views:
            day = view.viewed_at.astimezone(UTC).date()
            counts[view.product_id] += 1
            by_day[view.product_id, day] += 1
            if view.viewer is not None:
                key = (view.product_id, view.viewer)
                by_viewer[key] += 1
                last[key] = max(view.viewed_at, last.get(key, view.viewed_at))
                seen.add((day, *key))
        newcomers = await self._add_viewers(by_viewer, last)
        of_the_day = await self._add_viewer_days(seen)
        await self._add_days(by_day, of_the_day)
        await self._add_counts(counts, newcomers)

    # In the order of the keys, so that two batches never wait for each other in a circle.

    async def _add_viewers(
        self, counts: Mapping[tuple[UUID, str], int], last: Mapping[tuple[UUID, str], datetime]
    ) -> Counter[UUID]:
        """Add to the viewers' counts; return how many each product sees for the first time."""
        insert = upsert(self.session, Viewer)
        added = await self._each(
            insert.on_conflict_do_update(
                index_elements=["product_id", "viewer"],
                set_={
                    "count": Viewer.count + insert.excluded.count,
                    "last_viewed_at": self._greatest(
                        Viewer.last_viewed_at, insert.excluded.last_viewed_at
                    ),
                },
            ).returning(Viewer.product_id, Viewer.viewer, Viewer.count),
            [
                {"product_id": key[0], "viewer": key[1], "count": n, "last_viewed_at": last[key]}
                for key, n in sorted(counts.items())
            ],
        )
        return Counter(
            product_id for product_id, viewer, n in added if n == counts[product_id, viewer]
        )

    async def _add_viewer_days(
        self, seen: Collection[tuple[date, UUID, str]]
    ) -> Counter[tuple[UUID, date]]:
        """Add who viewed what on which day; return how many each product sees first that day."""
        added = await self._each(
            upsert(self.session, ViewerDay)
            .on_conflict_do_nothing(index_elements=["day", "product_id", "viewer"])
            .returning(ViewerDay.product_id, ViewerDay.day),
            [
                {"day": day, "product_id": product_id, "viewer": viewer}
                for day, product_id, viewer in sorted(seen)
            ],
        )
        return Counter((product_id, day) for product_id, day in added)

    async def _add_days(
        self,
        counts: Mapping[tuple[UUID, date], int],
        viewers: Mapping[tuple[UUID, date], int],
    ) -> None:
        insert = upsert(self.session, ViewDay)
        await self._each(
            insert.on_conflict_do_update(
                index_elements=["product_id", "day"],
                set_={
                    "count": ViewDay.count + insert.excluded.count,
                    "viewers": ViewDay.viewers + insert.excluded.viewers,
                },
            ).returning(ViewDay.product_id),
            [
                {"product_id": key[0], "day": key[1], "count": n, "viewers": viewers[key]}
                for key, n in sorted(counts.items())
            ],
        )

    async def _add_counts(self, counts: Mapping[UUID, int], newcomers: Mapping[UUID, int]) -> None:
        insert = upsert(self.session, ViewCount)
        await self._each(
            insert.on_conflict_do_update(
                index_elements=["product_id"],
                set_={
                    "count": ViewCount.count + insert.excluded.count,
                    "viewers": ViewCount.viewers + insert.excluded.viewers,
                },
            ).returning(ViewCount.product_id),
            [
                {"product_id": id_, "count": n, "viewers": newcomers[id_]}
                for id_, n in sorted(counts.items())
            ],
        )

    async def _each(
        self, insert: ReturningInsert[*tuple[Any, ...]], rows: Sequence[Mapping[str, object]]
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Insert the rows, in their order; return what the statement returns of each.

        It is compiled once: with its rows in it, it would be for each batch. Only because it
        returns something are the rows sent together.
        """
        return (await self.session.execute(insert, rows)).all() if rows else ()

    async def forget(self, viewer: str, limit: int) -> int:
        """Forget up to `limit` products that somebody viewed; nobody's counts change.

        Returns how many were forgotten.
        """
        if not viewer.isprintable():  # unlike the subject of a token
            return 0
        theirs = select(Viewer.product_id).where(Viewer.viewer == viewer)
        step = theirs.order_by(Viewer.product_id).limit(limit).with_for_update()
        products = (await self.session.scalars(step)).all()
        if products:
            # A day that is still known of somebody is no older than the oldest of all.
            kept = ViewDay.day >= select(func.min(ViewerDay.day)).scalar_subquery()
            days = select(ViewDay.day, ViewDay.product_id).where(
                ViewDay.product_id.in_(products), kept
            )
            await self.session.execute(
                delete(ViewerDay).where(
                    ViewerDay.viewer == viewer,
                    tuple_(ViewerDay.day, ViewerDay.product_id).in_(days),
                )
            )
            await self.session.execute(
                delete(Viewer).where(Viewer.viewer == viewer, Viewer.product_id.in_(products))
            )
        return len(products)

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` viewers whose last view is longer ago than `kept`."""
        old = (
            select(Viewer.product_id, Viewer.viewer)
            .where(Viewer.last_viewed_at < database_now(-kept.total_seconds()))
            .order_by(Viewer.last_viewed_at)
            .limit(limit)
            # Who comes back right now stays.
            .with_for_update(skip_locked=True)
        )
        result = await self.session.execute(
            delete(Viewer).where(tuple_(Viewer.product_id, Viewer.viewer).in_(old))
        )
        return result.rowcount  # type: ignore[attr-defined, no-any-return]

    async def prune_days(self, kept: timedelta, limit: int) -> int:
        """Forget of up to `limit` viewers that they viewed on a day; the days' counts stay.

        Of a day that began as long ago as `kept` or longer. Returns how many were forgotten.
        """
        now = (await self.session.scalars(select(database_now()))).one()
        old = (
            select(ViewerDay.day, ViewerDay.product_id, ViewerDay.viewer)
            .where(ViewerDay.day <= (now - kept).date())
            .order_by(ViewerDay.day)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        result = await self.session.execute(
            delete(ViewerDay).where(
                tuple_(ViewerDay.day, ViewerDay.product_id, ViewerDay.viewer).in_(old)
            )
        )
        return result.rowcount  # type: ignore[attr-defined, no-any-return]
