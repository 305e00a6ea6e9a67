"""Events that are parked at a service, in its inbox or its outbox."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

from services.console.peers import DEADLINE_S, Peer, PeerError, PeerUnavailable, read_as

Box = Literal["inbox", "outbox"]
BOXES: tuple[Box, ...] = ("inbox", "outbox")

MOST = 10_000
"""Events of one box that a page looks at."""
PAGE = 200
"""Events that a service is asked for at once."""


class ParkedEvent(BaseModel):
    """An event that a receiver gave up on, or that the broker will not have."""

    model_config = ConfigDict(frozen=True)

    service: str
    box: Box
    id: int
    receiver: str = ""
    """Empty where it is in an outbox: it has not left."""
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    came_at: AwareDatetime = Field(validation_alias=AliasChoices("received_at", "created_at"))
    """Received, or, of one that has not left, committed."""
    parked_at: AwareDatetime
    size: int | None = None
    """Bytes, where only the beginning of the message was kept: it can only be discarded."""

    @property
    def path(self) -> str:
        """What names it among all: `notifier/inbox/12`."""
        return f"{self.service}/{self.box}/{self.id}"

    @property
    def is_known_by_id(self) -> bool:
        """Whether its id is that of an event; what is malformed may have any."""
        try:
            return str(UUID(self.event_id)) == self.event_id
        except ValueError:
            return False


class ParkedEventInFull(ParkedEvent):
    """With the message as it is kept."""

    headers: dict[str, Any]
    body: str
    bytes: int | None = None
    """Of the body in an outbox, of which the beginning may be all that is shown."""

    @property
    def body_is_cut(self) -> bool:
        return self.bytes is not None and len(self.body.encode()) < self.bytes


class _Page(BaseModel):
    items: list[ParkedEvent]
    next: int | None


@dataclass(frozen=True)
class Shelf:
    """What is parked in one box of a service."""

    events: Sequence[ParkedEvent]
    whole: bool
    """Whether these are all; else they are the oldest."""


async def read_shelf(peer: Peer, box: Box) -> Shelf:
    """Read up to `MOST` events, as many as come within the deadline of a page.

    Raises `PeerError` if not even the first come.
    """
    events: list[ParkedEvent] = []
    after: int | None = 0
    try:
        async with asyncio.timeout(DEADLINE_S):
            while after is not None and len(events) < MOST:
                answer = await peer.get(f"/v1/{box}/parked", limit=PAGE, after=after)
                page = read_as(_Page, peer.name, _named(answer, peer.name, box))
                events += page.items
                after = page.next
    except TimeoutError:
        if not events:
            raise PeerUnavailable(peer.name, f"no answer within {DEADLINE_S:g} s") from None
    except PeerError:
        if not events:
            raise
    return Shelf(events, whole=after is None)


async def read_parked(peer: Peer, box: Box, id: int) -> ParkedEventInFull:
    """Read one in full; raise `PeerError`, with status 404 if none is parked under this id."""
    answer = await peer.get(f"/v1/{box}/parked/{id}")
    return read_as(ParkedEventInFull, peer.name, _with(answer, peer.name, box))


async def read_held(peer: Peer) -> dict[str, int]:
    """How many events are held behind parked ones, by receiver."""
    text = (await peer.read("/metrics")).text
    rows = "\n".join(line for line in text.splitlines() if line.startswith("inbox_rows{"))
    try:
        return {
            sample.labels["receiver"]: int(sample.value)
            for family in text_string_to_metric_families(rows + "\n")
            for sample in family.samples
            if sample.labels["state"] == "held"
        }
    except (ValueError, KeyError) as error:
        raise PeerError(peer.name, "its metrics are not understood") from error


def _with(answer: Any, service: str, box: Box) -> Any:
    return {**answer, "service": service, "box": box} if isinstance(answer, dict) else answer


def _named(answer: Any, service: str, box: Box) -> Any:
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        return answer
    return {**answer, "items": [_with(each, service, box) for each in answer["items"]]}
