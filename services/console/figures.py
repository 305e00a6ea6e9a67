"""What a service's `/metrics` say of what waits, and how much."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at one place of a service: its outbox, or the inbox of one receiver."""

    place: str
    """`outbox`, or the receiver's name."""
    pending: int = 0
    held: int = 0
    parked: int = 0
    oldest_seconds: float | None = None
    """Age of what waits longest; None if the service does not say it."""

    @property
    def receiver(self) -> str:
        """Whose inbox it is; empty for the outbox, as of a parked event."""
        return "" if self.place == OUTBOX else self.place


@dataclass(frozen=True, slots=True)
class Figures:
    """What a service said of itself at one moment."""

    waiting: tuple[Waiting, ...]

    def samples(self) -> Iterator[tuple[str, float]]:
        """What is charted: names and values."""
        for each in self.waiting:
            if not each.receiver:
                yield "outbox", each.pending
                if each.oldest_seconds is not None:
                    yield "outbox_oldest", each.oldest_seconds
        if self.waiting:
            yield "parked", sum(each.parked for each in self.waiting)
        receivers = [each for each in self.waiting if each.receiver]
        if receivers:
            yield "inbox", sum(each.pending + each.held for each in receivers)
            ages = [each.oldest_seconds for each in receivers if each.oldest_seconds is not None]
            if ages:
                yield "inbox_oldest", max(ages)


def read_figures(metrics: str) -> Figures:
    """Read `/metrics` in Prometheus' text format; raise `ValueError` if it is something else."""
    outbox: dict[str, float] = {}
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    oldest: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name in ("outbox_rows", "outbox_oldest_seconds", "outbox_parked_rows"):
                outbox[sample.name] = sample.value
            elif sample.name == "inbox_rows":
                rows[sample.labels["receiver"]][sample.labels["state"]] = sample.value
            elif sample.name == "inbox_oldest_seconds":
                oldest[sample.labels["receiver"]] = sample.value
    waiting = []
    if outbox:
        waiting.append(
            Waiting(
                OUTBOX,
                pending=int(outbox.get("outbox_rows", 0)),
                parked=int(outbox.get("outbox_parked_rows", 0)),
                oldest_seconds=outbox.get("outbox_oldest_seconds"),
            )
        )
    waiting += [
        Waiting(
            receiver,
            pending=int(states.get("pending", 0)),
            held=int(states.get("held", 0)),
            parked=int(states.get("parked", 0)),
            oldest_seconds=oldest.get(receiver),
        )
        for receiver, states in sorted(rows.items())
    ]
    return Figures(tuple(waiting))
