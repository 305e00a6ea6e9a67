"""Sifting: publishing a batch although the bus may refuse some event of it.

The broker closes the channel for a message that it will not have, and does not say which of
those under way it was. Halves of the batch find it, one after the other, so that nothing goes
before what stands before it of its subject is published or set aside.
"""

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from heliograph.bus import Publisher
from heliograph.crash import crash_point
from heliograph.errors import BusUnavailable, MessageRefused
from heliograph.outbox.claims import OutboxRow, Outcome
from heliograph.text import printable

PART_BYTES = 4 * 1024 * 1024
"""Of bodies that are sent at once, unless a single one has more: its confirms come in time."""

SIFTING_S = 4.0
"""After this nothing more is begun: with one more wait for confirms a claim is still ours."""


@dataclass
class Sifted(Outcome):
    """What became of the rows so far."""

    trouble: BusUnavailable | None = None
    """Why the bus took no more."""


async def sift(bus: Publisher, rows: Sequence[OutboxRow]) -> Sifted:
    """Publish rows, given in the order of each subject.

    Once a row is refused nothing more of its subject is sent. What is left when the bus goes away,
    or when it takes too long, is in no list.
    """
    sifted = Sifted()
    stopped: set[str] = set()
    parts = deque(_parts(rows))
    until = time.monotonic() + SIFTING_S
    while parts and time.monotonic() < until:
        part = parts.popleft()
        if stopped:
            part = [row for row in part if row.order not in stopped]
        if not part:
            continue
        try:
            taken = await bus.publish([row.message for row in part])
        except MessageRefused as error:
            crash_point("relay.after_refusal")
            left = _without(part, error.taken, sifted.gone)
            if len(left) == 1:
                sifted.parked.append((left[0], printable(str(error))))
                _stop(stopped, left[0])
            else:
                half = len(left) // 2
                parts.extendleft((left[half:], left[:half]))
        except BusUnavailable as error:
            _without(part, error.taken, sifted.gone)
            sifted.trouble = error
            break
        else:
            for row in _without(part, taken, sifted.gone):
                if row.order not in stopped:
                    sifted.refused.append(row)
                    _stop(stopped, row)
    return sifted


def _without(
    part: Sequence[OutboxRow], taken: Collection[str], gone: list[OutboxRow]
) -> list[OutboxRow]:
    """Add what the bus has taken to `gone`; return the others."""
    if len(taken) == len(part):
        gone += part
        return []
    gone += [row for row in part if row.message.id in taken]
    return [row for row in part if row.message.id not in taken]


def _stop(stopped: set[str], row: OutboxRow) -> None:
    if row.order is not None:
        stopped.add(row.order)


def _parts(rows: Sequence[OutboxRow]) -> Iterator[Sequence[OutboxRow]]:
    """Part rows so that each part has few bytes, or a single row."""
    part: list[OutboxRow] = []
    size = 0
    for row in rows:
        more = len(row.message.body)
        if part and size + more > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += more
    if part:
        yield part
