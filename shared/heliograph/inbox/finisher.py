"""Marks inbox rows done, many in one transaction.

For receivers that ask for no session: what they did is outside the database, so there is
no transaction of theirs that the mark must be part of. Whoever asks while one transaction
is under way goes with the next.
"""

import asyncio
from collections.abc import Sequence

from heliograph.errors import HeliographError
from heliograph.inbox.inbox import Inbox, LeaseLost
from heliograph.inbox.leases import Claimed


class Finisher:
    """One worker's; nothing waits for more rows to come."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[tuple[Sequence[Claimed], asyncio.Future[None]]] = []
        self._marking: asyncio.Task[None] | None = None

    async def finish(self, rows: Sequence[Claimed]) -> None:
        """Return when the rows are durably done.

        Raises `LeaseLost` if one of them was not ours any more, and `DatabaseUnavailable`.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._marking is None:
            self._marking = asyncio.create_task(self._mark())
        await done

    async def _mark(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._mark_batch(batch)
        finally:
            self._marking = None

    async def _mark_batch(
        self, batch: Sequence[tuple[Sequence[Claimed], "asyncio.Future[None]"]]
    ) -> None:
        try:
            marked = await self._inbox.finish_all([row for rows, _ in batch for row in rows])
        # Each of those who wait must hear of it, whatever it is.
        except BaseException as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            if not isinstance(error, HeliographError):
                raise
            return
        for rows, done in batch:
            if done.done():
                continue  # who waited for it was cancelled
            if all(row.id in marked for row in rows):
                done.set_result(None)
            else:
                done.set_exception(LeaseLost("another worker has taken the event over"))
