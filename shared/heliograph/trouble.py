"""Trouble: what keeps a part of a program from its work, told as it begins and once it is over."""

import structlog

log = structlog.stdlib.get_logger(__name__)


class Trouble:
    """The trouble of one part, which tries again and again.

    The log has a warning `begins` when it begins, with the reason, and a line `over` once it is
    over, however often the part has failed meanwhile.
    """

    def __init__(self, begins: str, over: str) -> None:
        self._begins = begins
        self._over = over
        self.reason: str | None = None
        """Why it cannot work right now; None if it can."""

    def begin(self, reason: str, **about: object) -> None:
        """The part has failed, of this."""
        if self.reason is None:
            log.warning(self._begins, reason=reason, **about)
        self.reason = reason

    def end(self, **about: object) -> None:
        """The part has worked."""
        if self.reason is not None:
            log.info(self._over, **about)
        self.reason = None
