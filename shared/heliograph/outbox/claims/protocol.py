"""Claims on the outbox: how several relays share it and each subject keeps its order."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from pydantic_core import from_json

from heliograph.bus import Message


class OutboxRow(NamedTuple):
    """An event in the outbox."""

    id: int
    subject: str
    attempts: int
    message: Message


class Claim(Protocol):
    """Rows that no other relay sends meanwhile, of each subject the oldest first."""

    @property
    def rows(self) -> Sequence[OutboxRow]: ...

    @property
    def more(self) -> bool:
        """False if these were all that it could have taken as it began."""

    async def settle(self, published: Sequence[int], failed: Sequence[int]) -> None:
        """Delete what the bus has; count a failed attempt for what it may not have."""


class Claims(Protocol):
    """The outbox as relays see it."""

    parallel: int
    """Claims that one relay may usefully hold at once."""

    def claim(self, limit: int) -> AbstractAsyncContextManager[Claim]:
        """Claim up to `limit` rows; none if there are none that another relay does not hold."""

    async def release(self) -> None:
        """Let others have at once what they would else wait for."""


def row_of(
    id: int,
    subject: str,
    attempts: int,
    event_id: str,
    exchange: str,
    routing_key: str,
    headers: bytes,
    body: bytes,
) -> OutboxRow:
    """Make a row of what its columns hold."""
    message = Message(event_id, exchange, routing_key, from_json(headers), body)
    return OutboxRow(id, subject, attempts, message)
