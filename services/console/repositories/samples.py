"""Figures of the services over the last hour."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, tuple_

from heliograph.database import Session, database_now, upsert
from services.console.charts import Point
from services.console.models import HeardEvent, Sample

KEPT = timedelta(hours=1)
NEW_S = 30.0
"""Seconds for which a figure says how things are now; it is taken more often."""


class SampleRepository:
    """Samples, one a service, figure and moment."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def add(self, at: datetime, service: str, values: Iterable[tuple[str, float]]) -> None:
        """Add figures; those that another console has added for the moment stay."""
        rows = [
            {"service": service, "figure": figure, "at": at, "value": value}
            for figure, value in sorted(values)
        ]
        if rows:
            await self.session.execute(
                upsert(self.session, Sample).values(rows).on_conflict_do_nothing()
            )

    async def since(self, moment: datetime) -> Mapping[tuple[str, str], list[Point]]:
        """Samples by service and figure, the oldest first."""
        found: dict[tuple[str, str], list[Point]] = defaultdict(list)
        query = select(Sample).where(Sample.at >= moment).order_by(Sample.at)
        for each in await self.session.scalars(query):
            found[each.service, each.figure].append(Point(each.at, each.value))
        return found

    async def parked(self) -> int:
        """How many events are parked, as the newest figures of each service say."""
        query = (
            select(Sample.service, Sample.value)
            .where(Sample.figure == "parked", Sample.at >= database_now(-NEW_S))
            .order_by(Sample.at)
        )
        # The last of each service stays.
        newest = dict((await self.session.execute(query)).all())
        return int(sum(newest.values()))

    async def heard(self) -> int:
        """A number that grows by one for each event that is kept."""
        return await self.session.scalar(select(func.max(HeardEvent.id))) or 0

    async def prune(self, limit: int) -> int:
        """Forget up to `limit` samples that are older than the charts; return how many."""
        key = (Sample.service, Sample.figure, Sample.at)
        old = (
            select(*key)
            .where(Sample.at < database_now(-KEPT.total_seconds()))
            .order_by(Sample.at)
            .limit(limit)
        )
        gone = await self.session.scalars(
            delete(Sample).where(tuple_(*key).in_(old)).returning(Sample.at)
        )
        return len(gone.all())
