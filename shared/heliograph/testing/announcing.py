"""Events: as the service that owns them would announce them, and as ours has."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import typing_extensions
from pydantic_core import from_json

from heliograph.bus import Publisher
from heliograph.contract import Contract
from heliograph.errors import BusUnavailable
from heliograph.events import Event, decode, messages, sequence
from heliograph.outbox import EncodedEvent, Outbox
from heliograph.signals import Signal

C = TypeVar("C", bound=Contract)
D = typing_extensions.TypeVar("D", default=None)


async def announce(
    bus: Publisher,
    signal: Signal[D],
    instance: C,
    data: D | None = None,
    *,
    version: int | None = 1,
    **details: Any,
) -> Event[C, D]:
    """Publish an event about `instance`; return it once every queue bound to it has it.

    It goes out in each version in which its contract is announced. `data` is what the signal
    carries. `details` are fields of `Event`, such as `created`, `original` or `origin`; the changes
    follow from `original`. With `version` None it has no order, as views have none. Raises
    `BusUnavailable` if not every queue took it.
    """
    original: C | None = details.get("original")
    changes: Mapping[str, Any] | None = original.changes_to(instance) if original else None
    signal.check(data)
    event: Event[C, Any] = Event(
        sender=type(instance),
        data=data,
        instance=instance,
        snapshot=instance,
        signal=signal.name,
        version=version,
        sequence=None if version is None else sequence(version, 0),
        **{"changes": changes, **details},
    )
    written = messages(event)
    taken = await bus.publish(written)
    for each in written:
        if each.id not in taken:
            raise BusUnavailable(f"not every queue took the event {each.routing_key}")
    return event


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event as it leaves."""

    key: str
    """Its routing key: `catalog.product.post_save`."""
    headers: dict[str, str]
    content: bytes

    @property
    def signal(self) -> str:
        """The signal's name."""
        return self.key.rpartition(".")[2]

    @property
    def sequence(self) -> str:
        """Its place among the events of its subject, as text that sorts."""
        return self.headers["ce-subjectsequence"]

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON."""
        body: dict[str, Any] = from_json(self.content)
        return body

    def event(self, contract: type[C], data: type[D] | None = None) -> Event[C, D]:
        """Read it as a receiver of that sender and data does; `Malformed` if it is not one's."""
        return decode(self.headers, self.content, contract, data)


@contextmanager
def announced(outbox: Outbox) -> Iterator[list[Announcement]]:
    """What this process announces within the block, in order, once it is committed.

    What is rolled back is not announced. Views and other buffered events come with the commit of
    their buffer.
    """
    found: list[Announcement] = []

    def note(rows: Sequence[EncodedEvent]) -> None:
        found.extend(Announcement(key, from_json(headers), body) for *_, key, headers, body in rows)

    outbox.watchers.append(note)
    try:
        yield found
    finally:
        outbox.watchers.remove(note)
