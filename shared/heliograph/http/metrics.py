"""Metrics: what a service counts and measures, for Prometheus to read."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import get_args

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from heliograph.bus import Bus
from heliograph.outbox import Failure, Outbox

Refresh = Callable[[], Awaitable[None]]

REFRESH_TIMEOUT = 2.0
"""Seconds that a scrape waits for values from the database."""

QUICK_S = 0.1
RESTS = 20
"""A refresh that is not quick rests so many times as long as it took, however often others ask:
it never takes more than a twentieth of a connection."""

log = structlog.stdlib.get_logger(__name__)


class Metrics:
    """The metrics of one service, in a registry of their own.

    Two services in one process have one `Metrics` each.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.inbox_rows = Gauge(
            "inbox_rows",
            "Accepted events by receiver and state.",
            ("receiver", "state"),
            registry=self.registry,
        )
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._refreshes: list[_Refreshed] = []

    def add_refresh(self, refresh: Refresh) -> None:
        """Await `refresh` before each scrape, to set gauges from what is stored."""
        self._refreshes.append(_Refreshed(refresh))

    async def refresh(self) -> None:
        """Bring the gauges up to date; one that cannot be, or not in time, keeps its last value."""
        if under_way := [each.begin() for each in self._refreshes]:
            await asyncio.wait(under_way, timeout=REFRESH_TIMEOUT)

    async def answer(self, request: Request) -> Response:
        """Answer a scrape."""
        await self.refresh()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self.registry), media_type=content_type)


class _Refreshed:
    """A refresh, not twice at once: who is not answered in time leaves it to the next who asks."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh
        self._task: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    def begin(self) -> asyncio.Task[None]:
        """Begin, unless it is under way or rests."""
        if self._task is None or (self._task.done() and time.monotonic() >= self._rests_until):
            self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        began = time.monotonic()
        try:
            await self._refresh()
        # The other metrics are wanted most when something is broken.
        except Exception as error:  # noqa: BLE001
            log.warning("a metric could not be refreshed", error=repr(error))
        took = time.monotonic() - began
        self._rests_until = time.monotonic() + (RESTS * took if took > QUICK_S else 0.0)


class OutboxMetrics:
    """What a service that announces counts besides."""

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
        self.published = Counter(
            "relay_published", "Events that the bus has taken over.", registry=metrics.registry
        )
        self.refused = Counter(
            "relay_refused",
            "Events that the broker, or a queue, would not have, counted at each attempt.",
            registry=metrics.registry,
        )
        self._failures = Counter(
            "relay_failures",
            "Batches that were not relayed as the bus or the database was away.",
            ("reason",),
            registry=metrics.registry,
        )
        self._parked = Gauge(
            "outbox_parked_rows",
            "Events that the broker will not have and that wait for an operator.",
            registry=metrics.registry,
        )
        self._unrouted = Counter(
            "relay_unrouted",
            "Published events that no queue was bound to.",
            registry=metrics.registry,
        )
        self._unrouted_before = 0
        for reason in get_args(Failure):
            self._failures.labels(reason)
        metrics.add_refresh(self._count_rows)
        metrics.add_refresh(self._count_unrouted)

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
