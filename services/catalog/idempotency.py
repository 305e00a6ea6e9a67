"""Idempotency keys: a request that is sent again is answered again, and done once.

The answer is stored in the transaction of the change that it tells of: whoever lost the
answer, even that of the commit itself, sends the request again under the same key.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from heliograph.database import Database
from services.catalog.errors import KeyInUse
from services.catalog.repositories.idempotency import IdempotencyRepository, KeyedRequest


class IdempotencyKeys:
    """The keys under which this process works right now, and those that were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_use: set[KeyedRequest] = set()

    @contextmanager
    def hold(self, request: KeyedRequest) -> Iterator[None]:
        """Keep the key for one request at a time; raise `KeyInUse`."""
        if request in self._in_use:
            raise KeyInUse
        self._in_use.add(request)
        try:
            yield
        finally:
            self._in_use.remove(request)

    async def prune(self, limit: int = 1000) -> int:
        """Forget up to `limit` answers that were kept long enough; return how many."""
        async with self._database.transaction() as session:
            return await IdempotencyRepository(session).prune(limit)
