"""What is asked before parked events are redriven or discarded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.console.shelves.acts import Act, Chosen, together
from services.console.shelves.groups import Group, grouped
from services.console.shelves.looking import Look
from services.console.shelves.parked import ParkedEvent


@dataclass(frozen=True)
class Question:
    """What an act would do, if it is confirmed."""

    chosen: Sequence[Chosen]
    """What the confirmation names, to the id: nothing that is parked meanwhile is meant."""
    groups: Sequence[Group]
    """Those of the chosen that were read."""
    unread: int
    """Chosen events that were not read, because there are too many."""
    cut: Sequence[ParkedEvent]
    """Left out: only their beginning was kept, they cannot be redriven."""
    gone: int
    """Left out: they are no longer parked."""
    silent: int
    """Left out: their service does not answer."""

    @property
    def count(self) -> int:
        return sum(len(each.ids) for each in self.chosen)


def ask(act: Act, look: Look, rows: Collection[Chosen], keys: Collection[str]) -> Question:
    """Find what the rows and the groups of these keys are."""
    wanted = {(each.service, each.box, one) for each in rows for one in each.ids}
    groups = grouped(look.events)
    found = {
        (event.service, event.box, event.id): event
        for group in groups
        for event in group.events
        if group.key in keys or (event.service, event.box, event.id) in wanted
    }
    absent = wanted - found.keys()
    silent = {each.service for each in look.missing}
    unread = {row for row in absent if row[:2] in look.partial}
    cut = [each for each in found.values() if act == "redrive" and each.size is not None]
    meant = [each for each in found.values() if act == "discard" or each.size is None]
    everything = [(each.service, each.box, each.id) for each in meant] + sorted(unread)
    return Question(
        chosen=together(Chosen(service, box, (one,)) for service, box, one in everything),
        groups=grouped(meant),
        unread=len(unread),
        cut=cut,
        gone=sum(row[0] not in silent for row in absent - unread),
        silent=sum(row[0] in silent for row in absent - unread),
    )
