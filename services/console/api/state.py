"""The state of the services: their programs, what waits, and the last hour."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from heliograph.database import Session
from heliograph.web import GuardedRoute, RunningPrograms
from services.console.api.dependencies import Reading, TheConsole, Viewer
from services.console.api.pages import page
from services.console.charts import Point, line
from services.console.peers import Answer, gaps
from services.console.repositories.samples import KEPT, SampleRepository
from services.console.sampler import OWN, figures_of, own_figures
from services.console.shelves.failing import failing_of

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

CHARTED = {
    "outbox": "waits in the outbox",
    "inbox": "waits in the inbox",
    "parked": "parked",
    "outbox_oldest": "oldest in the outbox, in seconds",
    "inbox_oldest": "oldest in the inbox, in seconds",
}
"""Figures, and what their charts are called."""


@dataclass(frozen=True)
class Chart:
    """A figure's last hour, drawn."""

    service: str
    name: str
    now: float
    highest: float
    drawing: Markup


@router.get("/state")
async def state(console: TheConsole, session: Reading, viewer: Viewer) -> Response:
    programs, figures, failing, charts = await asyncio.gather(
        console.peers.ask(lambda peer: peer.get_as(RunningPrograms, "/v1/programs")),
        console.peers.ask(figures_of),
        console.peers.ask(failing_of),
        _charts(session),
    )
    programs.append(Answer(OWN, RunningPrograms.of(await console.programs.running())))
    figures.append(Answer(OWN, await own_figures(console.metrics)))
    return page(
        "state",
        viewer,
        path="/state",
        programs=programs,
        figures=figures,
        failing=failing,
        parked=[
            (each.service, place)
            for each in figures
            if each.value is not None
            for place in each.value.waiting
            if place.parked
        ],
        charts=charts,
        missing=gaps(programs, figures, failing),
    )


async def _charts(session: Session) -> list[Chart]:
    until = datetime.now(UTC)
    since = until - KEPT
    samples = await SampleRepository(session).since(since)
    charts = [
        _chart(service, name, samples[service, figure], since, until)
        for service in sorted({service for service, _ in samples})
        for figure, name in CHARTED.items()
        # What never waited needs no picture of it.
        if any(each.value for each in samples.get((service, figure), ()))
    ]
    pace = list(_pace(samples.get((OWN, "heard"), [])))
    if pace:
        charts.insert(0, _chart(OWN, "events heard a second", pace, since, until))
    return charts


def _chart(
    service: str, name: str, points: Sequence[Point], since: datetime, until: datetime
) -> Chart:
    now, highest = points[-1].value, max(each.value for each in points)
    title = f"{service}: {name}, the last hour: now {now:,.4g}, at most {highest:,.4g}"
    return Chart(service, name, now, highest, line(points, since=since, until=until, title=title))


def _pace(counts: Sequence[Point]) -> Iterator[Point]:
    """By how much a count has grown a second, between each two moments."""
    for before, after in pairwise(counts):
        seconds = (after.at - before.at) / timedelta(seconds=1)
        yield Point(after.at, max(after.value - before.value, 0.0) / seconds)
