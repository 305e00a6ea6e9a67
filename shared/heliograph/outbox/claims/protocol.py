"""Claims on the outbox: how several relays share it and each subject keeps its order."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json

from heliograph.bus import Message
from heliograph.outbox.table import BACKGROUND, aside
from heliograph.waiting import Retries

PAUSES = Retries(first=1.0, longest=300.0)
"""Between the attempts at an event that some queue turns down."""

TURNED_DOWN = "some queue turned it down: a full one with x-overflow=reject-publish does"

_UNORDERED = (BACKGROUND, aside(BACKGROUND))


class OutboxRow(NamedTuple):
    """An event in the outbox."""

    id: int
    partition: int
    subject: str
    attempts: int
    """So many times it was refused."""
    discarded: bool
    """An operator gave it up: it is to go without being sent."""
    message: Message

    @property
    def order(self) -> str | None:
        """What it keeps its place in: its subject's events; None if it has no order."""
        return None if self.partition in _UNORDERED else self.subject

    @property
    def frees(self) -> str | None:
        """The subject whose later events may go once it is gone; None if they may already."""
        return self.order if self.partition < 0 else None


@dataclass
class Outcome:
    """What became of the rows of a claim; those that are in no list are left as they are."""

    gone: list[OutboxRow] = field(default_factory=list)
    """The bus has them, or they are discarded."""
    refused: list[OutboxRow] = field(default_factory=list)
    """Some queue turned them down: they are due again after a pause that grows each time."""
    parked: list[tuple[OutboxRow, str]] = field(default_factory=list)
    """The bus will not have them, and why: they wait for an operator."""


class Claim(Protocol):
    """Rows that no other relay sends meanwhile, of each subject the oldest first.

    None is behind one of its subject that was refused, unless that one is with them and due.
    """

    @property
    def rows(self) -> Sequence[OutboxRow]: ...

    @property
    def more(self) -> bool:
        """False if these were all that it could have taken as it began."""

    async def settle(self, outcome: Outcome) -> None:
        """Delete what is gone, and let what waited for it go on; put aside what was refused."""


class Claims(Protocol):
    """The outbox as relays see it."""

    parallel: int
    """Claims that one relay may usefully hold at once."""

    def claim(self, limit: int) -> AbstractAsyncContextManager[Claim]:
        """Claim up to `limit` rows; none if there are none that another relay does not hold."""

    async def release(self) -> None:
        """Let others have at once what they would else wait for."""


def row_of(columns: Sequence[Any]) -> OutboxRow:
    """Make a row of the columns of a claim's query; what follows them is left."""
    id_, partition, subject, attempts, discarded, *message = columns
    event_id, exchange, routing_key, headers, body = message[:5]
    return OutboxRow(
        id_,
        partition,
        subject,
        attempts,
        discarded,
        Message(event_id, exchange, routing_key, from_json(headers), body),
    )
