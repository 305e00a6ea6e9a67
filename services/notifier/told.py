"""Those who were told: known for a while."""

from datetime import timedelta

from heliograph.database.database import Database
from services.notifier.repositories.notifications import NotificationRepository


class Told:
    """The ledger of notifications, each row kept for `kept` after it was written."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept

    async def prune(self, limit: int = 1000) -> int:
        """Forget up to `limit` rows that were kept long enough; return how many."""
        async with self._database.transaction() as session:
            return await NotificationRepository(session).prune(self._kept, limit)
