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
    "catalog.after_row": "the row is written, its events are not",
    "catalog.after_outbox": "row and events are written, nothing is committed",
    "catalog.after_commit": "all is committed, the caller has no answer",
    "catalog.after_file": "an image's first file is stored, its row is not written",
    "relay.after_claim": "events are claimed, none is sent",
    "relay.after_write": "events are sent, none is confirmed",
    "relay.after_confirm": "the broker has the events, the outbox still has them too",
    "relay.after_delete": "published events are deleted, but not committed",
    "consumer.after_receipt": "deliveries have arrived, none is in the inbox",
    "consumer.after_insert": "deliveries are in the inbox, but not committed",
    "consumer.after_commit": "deliveries are committed, the broker does not know",
    "worker.in_receiver": "a receiver has done its work, nothing is committed",
    "mail.before_data": "the mail server knows the recipient, the content is not sent",
    "mail.after_250": "the mail server has the email, our database does not know",
    "purge.between_files": "the first of an image's files is purged, others are not",
}
"""Every point, and what is done and what is not when the process ends there."""


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


def arm(environ: Mapping[str, str]) -> None:
    """Read the variable, once at the start of a program; raise `InvalidSetting` if it is wrong."""
    global fuse  # noqa: PLW0603 - one for the process, so that a point costs one comparison
    wish = environ.get(VARIABLE)
    fuse = None if wish is None else _fuse(wish)


def _fuse(wish: str) -> Fuse:
    point, _, passes = wish.partition(":")
    if point not in POINTS:
        raise InvalidSetting(f"{VARIABLE}: is none of {', '.join(POINTS)}")
    passes = passes or "1"
    if not (passes.isascii() and passes.isdigit() and int(passes)):
        raise InvalidSetting(f"{VARIABLE}: counts passes from 1, as in {point}:3")
    return Fuse(point, int(passes))
