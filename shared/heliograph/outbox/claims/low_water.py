"""Where the partitions of the outbox begin, so that what was deleted is not passed again.

Until a vacuum comes, PostgreSQL's index still leads over every row that was deleted: at the
end of a backlog of a million, each claim would pass most of a million entries.
"""

import time
from collections.abc import Iterable

BELIEVED_S = 5.0
"""For this long a mark is believed; then each claim looks from the start once. So rows that a
restored database has below a mark wait no longer than that."""


class LowWaterMarks:
    """The ids below which partitions are empty, and stay so; a relay's own.

    Ids are given out in order, but committed in any: a row with a lower id than all that are
    seen may still come from a transaction that runs, though not from one that begins later. So
    a mark counts from the first claim on that found none after all those had ended. That takes
    that a transaction has its number before it writes to the outbox: it has, for it wrote the
    row that the event is about.
    """

    def __init__(self) -> None:
        self._sure: dict[int, int] = {}
        self._seen: dict[int, tuple[int, int]] = {}
        self._forget_at = 0.0

    def of(self, partitions: Iterable[int]) -> list[int]:
        """The mark of each; 0 where none is known."""
        if time.monotonic() >= self._forget_at:
            self._sure.clear()
            self._seen.clear()
            self._forget_at = time.monotonic() + BELIEVED_S
        return [self._sure.get(each, 0) for each in partitions]

    def see(self, partition: int, lowest: int, *, transaction: int, ended: int) -> None:
        """Note the lowest id that a transaction, by its own number, sees in a partition.

        All transactions with numbers below `ended` had ended before it looked.
        """
        before, seen_by = self._seen.get(partition, (lowest, transaction))
        if seen_by <= ended:
            self._sure[partition] = min(lowest, before)
        if seen_by <= ended or partition not in self._seen:
            self._seen[partition] = lowest, transaction
