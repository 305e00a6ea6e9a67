"""What a service counts of its inbox, and its workers of what receivers do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from heliograph.events import Event
from heliograph.http.metrics import Metrics
from heliograph.inbox import Inbox, RunOutcome

RECEIVER = ("receiver",)

RUN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the time that a receiver takes, which is less than a lease."""

DELAY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Bounds of the time that an event is under way: while a server is away it waits."""


class InboxMetrics:
    """What waits in the inbox, which every program tells, and what its receivers did."""

    def __init__(self, metrics: Metrics, inbox: Inbox, receivers: Sequence[str]) -> None:
        self._inbox = inbox
        self._receivers = receivers
        self._rows = Gauge(
            "inbox_rows",
            "Accepted events by receiver and state.",
            ("receiver", "state"),
            registry=metrics.registry,
        )
        self._oldest_seconds = Gauge(
            "inbox_oldest_seconds",
            "Time since the event was accepted that waits longest for its receiver, 0 if none"
            " does; those that are parked aside.",
            RECEIVER,
            registry=metrics.registry,
        )
        runs = Counter(
            "receiver_runs",
            "Calls of a receiver, each with one event or a batch, by what became of them.",
            ("receiver", "outcome"),
            registry=None,
        )
        seconds = Histogram(
            "receiver_seconds",
            "Time of a call of a receiver, until its outcome is recorded.",
            RECEIVER,
            buckets=RUN_S,
            registry=None,
        )
        delay = Histogram(
            "event_delay_seconds",
            "Time from an event's change, as its sender's clock says, until its receiver is done.",
            RECEIVER,
            buckets=DELAY_S,
            registry=None,
        )
        self.of_worker: tuple[Collector, ...] = (runs, seconds, delay)
        """What a program exports that runs receivers."""
        # Asked for once: to find a label's value takes longer than to count it.
        self._by_receiver = {
            receiver: (
                {outcome: runs.labels(receiver, outcome) for outcome in get_args(RunOutcome)},
                seconds.labels(receiver),
                delay.labels(receiver),
            )
            for receiver in receivers
        }
        metrics.add_refresh(self._count_rows)
        metrics.add_refresh(self._look_at_oldest)

    def ran(
        self, receiver: str, outcome: RunOutcome, seconds: float, events: Sequence[Event[Any, Any]]
    ) -> None:
        """Count a call of a receiver."""
        runs, durations, delays = self._by_receiver[receiver]
        runs[outcome].inc()
        durations.observe(seconds)
        if outcome == "done":
            now = datetime.now(UTC)
            for event in events:
                # Two machines' clocks may differ.
                delays.observe(max((now - event.time).total_seconds(), 0.0))

    async def _count_rows(self) -> None:
        counts = await self._inbox.status()
        self._rows.clear()
        for (receiver, state), rows in counts.items():
            self._rows.labels(receiver, state).set(rows)

    async def _look_at_oldest(self) -> None:
        for receiver, age in (await self._inbox.oldest(self._receivers)).items():
            self._oldest_seconds.labels(receiver).set(age)
