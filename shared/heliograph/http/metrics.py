"""Metrics: what a service counts and measures, for Prometheus to read."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from heliograph.waiting import Trouble

Refresh = Callable[[], Awaitable[None]]

REFRESH_TIMEOUT = 2.0
"""Seconds that a scrape waits for values from the database."""

QUICK_S = 0.1
RESTS = 20
"""A refresh that is not quick rests so many times as long as it took, however often others ask:
it never takes more than a twentieth of a connection."""


class Metrics:
    """The metrics of one service, in a registry of their own.

    Two services in one process have one `Metrics` each.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._refreshes: list[_Refreshed] = []
        self._exported: set[int] = set()

    def export(self, collectors: Iterable[Collector]) -> None:
        """Let scrapes show these too: what this program does, of all that its service can do."""
        for each in collectors:
            if id(each) not in self._exported:
                self._exported.add(id(each))
                self.registry.register(each)

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
        self._trouble = Trouble("a metric cannot be refreshed", "a metric is refreshed again")

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
            self._trouble.begin(repr(error))
        else:
            self._trouble.end()
        took = time.monotonic() - began
        self._rests_until = time.monotonic() + (RESTS * took if took > QUICK_S else 0.0)
