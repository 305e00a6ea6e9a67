"""Charts as SVG, drawn by the server: they need no script and take their colours from the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

WIDTH, HEIGHT = 320, 72
"""Of the drawing, in its own units; the page says how large it is shown."""


@dataclass(frozen=True, slots=True)
class Point:
    """A figure at a moment."""

    at: datetime
    value: float


def line(points: Sequence[Point], *, since: datetime, until: datetime, title: str) -> Markup:
    """Draw a figure over time, from 0 to its highest value; where it is not known there is a gap.

    `title` is what a screen reader says of it.
    """
    span = (until - since).total_seconds()
    top = max((each.value for each in points), default=0.0) or 1.0
    paths: list[str] = []
    before: datetime | None = None
    for each in points:
        x = WIDTH * (each.at - since).total_seconds() / span
        y = HEIGHT - 2 - (HEIGHT - 4) * each.value / top
        begins = before is None or each.at - before > GAP
        paths.append(f"{'M' if begins else 'L'}{x:.1f} {y:.1f}")
        before = each.at
    drawn = Markup('<path d="{}"/>').format(" ".join(paths)) if paths else Markup()
    return _svg("line", title, drawn)


GAP = timedelta(seconds=45)
"""Points further apart are not joined."""


def bars(values: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """Draw a bar for each value, in that order; each says what it stands for when pointed at."""
    top = max((value for _, value in values), default=0) or 1
    step = WIDTH / max(len(values), 1)
    drawn = Markup().join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>').format(
            index * step,
            HEIGHT - (HEIGHT - 2) * value / top,
            max(step - 1.5, 0.5),
            (HEIGHT - 2) * value / top,
            Markup("<title>{}: {:,}</title>").format(name, value),
        )
        for index, (name, value) in enumerate(values)
    )
    return _svg("bars", title, drawn)


def _svg(kind: str, title: str, drawn: Markup) -> Markup:
    return Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(kind, WIDTH, HEIGHT, title, drawn)
