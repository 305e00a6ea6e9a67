"""The moments at which something failed that can part what was sent from our record of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Failure:
    """From when to when it lasted; what ends at once ends as it begins."""

    begin: datetime
    end: datetime


@dataclass
class Failures:
    """All of them so far."""

    all: list[Failure] = field(default_factory=list)

    def now(self, lasting: float = 0.0) -> None:
        """Something fails now, for so many seconds."""
        self.at(datetime.now(UTC), lasting)

    def at(self, moment: datetime, lasting: float = 0.0) -> None:
        self.all.append(Failure(moment, moment + timedelta(seconds=lasting)))

    @contextmanager
    def during(self) -> Iterator[None]:
        """Something fails while the block runs."""
        begin = datetime.now(UTC)
        try:
            yield
        finally:
            self.all.append(Failure(begin, datetime.now(UTC)))
