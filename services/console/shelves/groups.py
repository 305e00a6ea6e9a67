"""Parked events, sorted into groups of those that failed alike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from services.console.shelves.parked import Box, ParkedEvent
from services.console.shelves.reasons import alike


@dataclass(frozen=True)
class Group:
    """Events that one receiver, or the broker, will not have for one reason; the oldest first."""

    service: str
    box: Box
    receiver: str
    reason: str
    """With an ellipsis for what each event has for itself."""
    events: Sequence[ParkedEvent]

    @property
    def key(self) -> str:
        """What names the group in an address."""
        told = repr((self.service, self.box, self.receiver, self.reason))
        return sha256(told.encode()).hexdigest()[:16]

    @property
    def told(self) -> str:
        """The reason as it is, where it is the same of all."""
        first = self.events[0].reason
        return first if all(each.reason == first for each in self.events) else self.reason

    @property
    def oldest(self) -> datetime:
        """When the first of them was parked."""
        return min(each.parked_at for each in self.events)


def grouped(events: Iterable[ParkedEvent]) -> list[Group]:
    """Sort into groups, the largest first."""
    found: dict[tuple[str, Box, str, str], list[ParkedEvent]] = defaultdict(list)
    for each in events:
        found[each.service, each.box, each.receiver, alike(each.reason)].append(each)
    groups = [Group(*like, sorted(those, key=_age)) for like, those in found.items()]
    return sorted(groups, key=lambda group: (-len(group.events), group.service, group.receiver))


def _age(event: ParkedEvent) -> tuple[datetime, int]:
    return event.parked_at, event.id
