"""The ledger: what each client asked for, and what it was told."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "refused", "unknown"]
"""`unknown`: no answer, or one that does not say whether the change was made."""


@dataclass
class Entry:
    """One change that a client asked for."""

    kind: str
    marker: str
    """Written into the product's description by a create or an update, so that the event that
    announces it is known."""
    product: str | None = None
    """The product's id, as soon as the client knows it."""
    outcome: Outcome = "unknown"


@dataclass
class Ledger:
    """All that clients did."""

    entries: list[Entry] = field(default_factory=list)
    views: int = 0
    """Reads that were sent, whatever the answer."""
    viewed: int = 0
    """Reads that were answered."""
    server_errors: list[str] = field(default_factory=list)
    """Answers with 500: a fault that nobody had thought of."""

    @contextmanager
    def entry(self, kind: str, product: str | None = None) -> Iterator[Entry]:
        """Write an entry down before its request is sent."""
        entry = Entry(kind, f"mark-{len(self.entries)}", product)
        self.entries.append(entry)
        yield entry

    def outcomes(self) -> Counter[str]:
        return Counter(each.outcome for each in self.entries)
