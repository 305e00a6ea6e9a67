"""What a service that announces counts of its outbox, and its relay of what it publishes."""

from typing import get_args

from prometheus_client import Counter, Gauge
from prometheus_client.registry import Collector

from heliograph.bus import Bus
from heliograph.http.metrics import Metrics
from heliograph.outbox import Failure, Outbox


class OutboxMetrics:
    """What waits in the outbox, which every program tells, and what its relay did."""

    def __init__(self, metrics: Metrics, outbox: Outbox, bus: Bus) -> None:
        self._outbox = outbox
        self._bus = bus
        self._rows = Gauge(
            "outbox_rows", "Events that wait to be published.", registry=metrics.registry
        )
        self._oldest_seconds = Gauge(
            "outbox_oldest_seconds",
            "Age of the event that waits longest to be published, 0 if none does.",
            registry=metrics.registry,
        )
        self._parked = Gauge(
            "outbox_parked_rows",
            "Events that the broker will not have and that wait for an operator.",
            registry=metrics.registry,
        )
        self.published = Counter(
            "relay_published", "Events that the bus has taken over.", registry=None
        )
        self.refused = Counter(
            "relay_refused",
            "Events that the broker, or a queue, would not have, counted at each attempt.",
            registry=None,
        )
        self._failures = Counter(
            "relay_failures",
            "Batches that were not relayed as the bus or the database was away.",
            ("reason",),
            registry=None,
        )
        self._unrouted = Counter(
            "relay_unrouted", "Published events that no queue was bound to.", registry=None
        )
        self._unrouted_before = 0
        for reason in get_args(Failure):
            self._failures.labels(reason)
        metrics.add_refresh(self._count_rows)
        metrics.add_refresh(self._count_unrouted)

    @property
    def of_relay(self) -> tuple[Collector, ...]:
        """What a program exports that relays."""
        return self.published, self.refused, self._failures, self._unrouted

    async def _count_rows(self) -> None:
        rows, oldest = await self._outbox.status()
        self._rows.set(rows)
        self._oldest_seconds.set(oldest)
        parked, _ = await self._outbox.refusals()
        self._parked.set(parked)

    def failed(self, reason: Failure) -> None:
        """Count a batch that was not relayed."""
        self._failures.labels(reason).inc()

    async def _count_unrouted(self) -> None:
        unrouted = self._bus.unrouted
        self._unrouted.inc(unrouted - self._unrouted_before)
        self._unrouted_before = unrouted
