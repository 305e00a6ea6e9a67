"""Every crash point, and which program passes it."""

from heliograph import crash
from services.catalog.service import Catalog
from services.notifier.service import Notifier

POINTS = {**crash.POINTS, **Catalog.crash_points, **Notifier.crash_points}

PROGRAMS = {
    "catalog": "catalog api",
    "outbox": "catalog api",
    "relay": "catalog relay",
    "consumer": "notifier work",
    "worker": "notifier work",
    "mail": "notifier work",
    "digest": "notifier work",
    "purge": "notifier work",
}
"""Which program passes the points of a family."""


def points_of(program: str) -> list[str]:
    """The points that a program passes."""
    return [each for each in POINTS if PROGRAMS[each.partition(".")[0]] == program]
