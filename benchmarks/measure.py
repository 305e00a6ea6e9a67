"""A reading of a stopwatch, and the rows that are made of readings."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.world import World

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """How long `count` things took; `cpu` is seconds of the measured processes alone.

    Those are the ones that a user of the measured thing runs: neither the servers nor the
    clients that make the load.
    """

    count: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Things a second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a thing."""
        return self.cpu / self.count * 1e6


Measure = Callable[[], Awaitable[Reading]]
"""Does the work once and reads the stopwatch; what it needs is prepared before it starts."""


class Stopwatch:
    """Runs from its creation; reads the CPU time of this process, or of `pids` if given."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._cpu = self._cpu_time()
        self._start = time.perf_counter()

    def read(self, count: int) -> Reading:
        """Stop at `count` things done."""
        seconds = time.perf_counter() - self._start
        return Reading(count, seconds, self._cpu_time() - self._cpu)

    def _cpu_time(self) -> float:
        if not self._pids:
            return time.process_time()
        return sum(cpu_seconds(pid) for pid in self._pids)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that have ended (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


class Countdown:
    """Things to be done; `ended` once all are."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ended = asyncio.Event()
        self._left = total

    def count(self, done: int = 1) -> None:
        """Count what was done."""
        self._left -= done
        if self._left <= 0:
            self.ended.set()


@dataclass(frozen=True, slots=True)
class Goal:
    """A side's rate as a multiple of another's: the least that is good enough.

    Without one it is a figure to know: nobody pays for that difference.
    """

    side: str
    against: str
    at_least: float | None = None

    def verdict(self, ratio: float) -> str:
        """Whether a ratio is good enough, in a word; nothing if it need not be."""
        if self.at_least is None:
            return ""
        return "met" if ratio >= self.at_least else "missed"

    def __str__(self) -> str:
        return "" if self.at_least is None else f"≥ {self.at_least:.3g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: sides that do the same work, in turns."""

    title: str
    stands_for: str
    """What it stands for, in the words of who pays for it."""
    unit: str
    """What is counted, in the plural."""
    sides: Callable[["World"], AbstractAsyncContextManager[Mapping[str, Measure]]]
    goals: Sequence[Goal] = ()
    notes: str = ""
    rounds: int | None = None
    """How many, where a reading takes so long that it needs no warm-up and few others."""


@dataclass(slots=True)
class Outcome:
    """All readings of a row; the readings of one round stand at the same place."""

    row: Row
    readings: dict[str, list[Reading]] = field(default_factory=dict)

    def ratios(self, goal: Goal) -> list[float]:
        """The goal's ratio in each round: sides are compared with what ran beside them."""
        pairs = zip(self.readings[goal.side], self.readings[goal.against], strict=True)
        return [ours.rate / theirs.rate for ours, theirs in pairs]


Sides = AsyncIterator[Mapping[str, Measure]]
