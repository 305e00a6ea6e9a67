"""Crash points: named places at which a test kills the process, as a power cut would.

`HELIOGRAPH_CRASH_AT=relay.after_claim` sends SIGKILL to the process when it first passes
that point, `relay.after_claim:3` when it does so for the third time. Without the variable
a point costs one comparison. No point is of use to anybody but tests.
"""

import os
import signal
from collections.abc import Mapping

from heliograph.errors import InvalidSetting

VARIABLE = "HELIOGRAPH_CRASH_AT"

POINTS = {
    "outbox.after_write": "rows and their events are written, nothing is committed",
    "outbox.after_commit": "all is committed, the caller has no answer",
    "relay.after_claim": "events are claimed, none is sent",
    "relay.after_write": "events are sent, none is confirmed",
    "relay.after_refusal": "the broker will not have some event sent, none is set aside",
    "relay.after_confirm": "the broker has the events, the outbox still has them too",
    "relay.after_delete": "published events are deleted, but not committed",
    "relay.after_park": "an event is set aside, but not committed",
    "consumer.after_receipt": "deliveries have arrived, none is in the inbox",
    "consumer.after_insert": "deliveries are in the inbox, but not committed",
    "consumer.after_commit": "deliveries are committed, the broker does not know",
    "worker.in_receiver": "a receiver has done its work, nothing is committed",
}
"""Every point of the library, and what is done and what is not when the process ends there.

A service names those of its own code in `Service.crash_points`."""


class Fuse:
    """Kills the process when it passes `point` for the `passes`th time."""

    def __init__(self, point: str, passes: int) -> None:
        self.point = point
        self.passes = passes

    def burn(self, point: str) -> None:
        """Count a pass."""
        if point == self.point:
            self.passes -= 1
            if self.passes == 0:
                os.kill(os.getpid(), signal.SIGKILL)


fuse: Fuse | None = None


def crash_point(name: str) -> None:
    """End the process here if it was told to."""
    if fuse is not None:
        fuse.burn(name)


def arm(environ: Mapping[str, str], points: Mapping[str, str] = POINTS) -> None:
    """Read the variable, once at the start of a program; raise `InvalidSetting` if it is wrong.

    `points` are those that the program can pass.
    """
    global fuse  # noqa: PLW0603 - one for the process, so that a point costs one comparison
    wish = environ.get(VARIABLE)
    fuse = None if wish is None else _fuse(wish, points)


def _fuse(wish: str, points: Mapping[str, str]) -> Fuse:
    point, _, passes = wish.partition(":")
    if point not in points:
        raise InvalidSetting(f"{VARIABLE}: is none of {', '.join(points)}")
    passes = passes or "1"
    if not (passes.isascii() and passes.isdigit() and int(passes)):
        raise InvalidSetting(f"{VARIABLE}: counts passes from 1, as in {point}:3")
    return Fuse(point, int(passes))
