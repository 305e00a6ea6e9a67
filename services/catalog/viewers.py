"""Viewers: known for a while, or until they are to be forgotten; counts stay for ever."""

from datetime import timedelta

from heliograph.database import Database
from services.catalog.repositories.views import ViewRepository

DAYS_KEPT = timedelta(days=8)
"""For so long from its beginning is known who viewed on a day: a view that comes later than that
counts its viewer once more among the day's. Longer than the inbox knows an event."""

STEP = 1000
"""Rows of one viewer that one transaction forgets."""


class Viewers:
    """Those who are known to have viewed products, each for `kept` after the last view.

    Who comes back to a product after that is counted once more among its viewers: to know
    better would mean not to forget.
    """

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept

    async def forget(self, viewer: str) -> None:
        """Forget what somebody viewed.

        Views that are still on their way are recorded when they arrive: within seconds, or
        once a parked event is redriven. By steps, each committed by itself.
        """
        forgotten = STEP
        while forgotten == STEP:
            async with self._database.transaction() as session:
                forgotten = await ViewRepository(session).forget(viewer, STEP)

    async def prune(self, limit: int = 1000) -> int:
        """Forget up to `limit` viewers, and as many of days, who were kept long enough.

        Returns how many. Who is known of a day is known of the product: days are forgotten first,
        and `forget` finds them by their product.
        """
        async with self._database.transaction() as session:
            days = await ViewRepository(session).prune_days(min(self._kept, DAYS_KEPT), limit)
        if days:
            return days
        async with self._database.transaction() as session:
            return await ViewRepository(session).prune(self._kept, limit)
