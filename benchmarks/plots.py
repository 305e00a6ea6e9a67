"""Bars of the rates, one SVG a row, for the documentation."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import median

from benchmarks.measure import Outcome

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
WIDTH, LABEL, BAR, GAP, TOP = 720, 210, 22, 10, 44
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.bar{fill:#2f6feb}.spread{stroke:#24292f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.spread{stroke:#e6edf3}}"
)


def write(outcomes: Sequence[Outcome]) -> None:
    """Draw every outcome; what a bar's line shows is the spread."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        name = re.sub(r"[^a-z0-9]+", "-", outcome.row.title.lower()).strip("-")
        (FOLDER / f"{name}.svg").write_text(draw(outcome))


def draw(outcome: Outcome) -> str:
    """Return the SVG."""
    sides = {name: [each.rate for each in found] for name, found in outcome.readings.items()}
    scale = (WIDTH - LABEL - 110) / max(max(rates) for rates in sides.values())
    height = TOP + len(sides) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<style>{_STYLE}</style>",
        f'<text x="0" y="20">{escape(outcome.row.title)}, {escape(outcome.row.unit)}/s</text>',
    ]
    for place, (name, rates) in enumerate(sides.items()):
        parts += _bar(TOP + place * (BAR + GAP), name, rates, scale)
    return "\n".join([*parts, "</svg>\n"])


def _bar(y: int, name: str, rates: Sequence[float], scale: float) -> list[str]:
    middle = y + BAR / 2
    width, low, high = (LABEL + rate * scale for rate in (median(rates), min(rates), max(rates)))
    return [
        f'<text x="0" y="{middle + 5}">{escape(name)}</text>',
        f'<rect class="bar" x="{LABEL}" y="{y}" width="{width - LABEL:.1f}" height="{BAR}"/>',
        f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}"/>',
        f'<text x="{high + 8:.1f}" y="{middle + 5}">{median(rates):,.0f}</text>',
    ]
