"""What the demo watches: events, emails and files, as they come and go."""

import asyncio
import email
import email.policy
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from heliograph import HeliographError
from heliograph.bus import Binding, Bus, Queue, Topology
from services.embedded import Embedded

PATIENCE_S = 8.0
POLL_S = 0.02

EVERYTHING = Queue("demo.everything", (Binding("catalog.events", "catalog.#"),))


class StepMissing(HeliographError):
    """Something that a step should have done did not happen, or something else did."""


@dataclass(frozen=True)
class Heard:
    """An event as it arrived in the demo's queue."""

    routing_key: str
    body: Mapping[str, Any]


class Letter(NamedTuple):
    """An email, by what its recipient sees of it first."""

    recipient: str
    subject: str


class Listener:
    """Hears every event of the catalog, through a queue of its own as anyone may have."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._heard: dict[str, Heard] = {}

    @property
    def heard(self) -> list[Heard]:
        """First copies, in the order in which they left."""
        return [*self._heard.values()]

    async def declare(self) -> None:
        await self._bus.declare(Topology(queues=(EVERYTHING,)))

    async def listen(self) -> None:
        async with self._bus.subscribe(EVERYTHING.name) as subscription:
            async for batch in subscription:
                for each in batch:
                    heard = Heard(each.routing_key, json.loads(each.body))
                    self._heard.setdefault(str(each.headers["ce-id"]), heard)
                await subscription.ack(batch)


@dataclass(frozen=True)
class Changes:
    """What happened since the last look."""

    events: list[Heard]
    emails: list[Letter]
    files_added: list[str]
    files_gone: list[str]


class Stage:
    """All services and what they leave; each look tells what is new."""

    def __init__(self, house: Embedded, listener: Listener, images: Path, mail: Path) -> None:
        self._house = house
        self._listener = listener
        self._images = images
        self._mail = mail
        self._events = 0
        self._emails: set[Path] = set()
        self._files: set[str] = set()

    async def look(self, *, events: int, emails: int, files: int) -> Changes:
        """Wait until all work is done and this much has happened, then tell all that did."""
        await self.until(
            f"{events} events, {emails} emails and {files} files",
            lambda: self._has_settled(events, emails, files),
        )
        heard = self._listener.heard[self._events :]
        written, there = self._written(), self._there()
        changes = Changes(
            events=heard,
            emails=sorted(_letter(path) for path in written - self._emails),
            files_added=sorted(there - self._files),
            files_gone=sorted(self._files - there),
        )
        self._events += len(heard)
        self._emails, self._files = written, there
        return changes

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Raise `StepMissing` if it does not hold in time."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                # Files and tables have no event to wait for.
                while not await holds():  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise StepMissing(f"waited in vain for {what}") from None

    async def _has_settled(self, events: int, emails: int, files: int) -> bool:
        # A row leaves the outbox once every queue has its event, ours too, and an inbox once
        # the emails are noted: looked at in this order, nothing is on its way unseen.
        backlogs = [each for service in self._house.services for each in service.backlogs]
        left = [piece for each in backlogs for piece in await each.unfinished()]
        return (
            not left
            and len(self._listener.heard) - self._events >= events
            and len(self._written() - self._emails) >= emails
            and len(self._there()) == files
        )

    def _written(self) -> set[Path]:
        return set(self._mail.glob("*.eml"))

    def _there(self) -> set[str]:
        files = (path for path in self._images.rglob("*") if path.is_file())
        return {str(path.relative_to(self._images)) for path in files}


def _letter(path: Path) -> Letter:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    return Letter(str(message["to"]), str(message["subject"]))
