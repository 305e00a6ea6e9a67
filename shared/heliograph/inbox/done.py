"""The lines that tell what is done: a line an event, while that is affordable."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from heliograph.inbox.leases import Claimed
from heliograph.logging import of_event, of_events

log = structlog.stdlib.get_logger(__name__)
_stdlib = logging.getLogger(__name__)

TELL_S = 0.1
"""What a receiver has done within this time shares a line, but for the first: a line takes a
third of the time that an event takes."""


@dataclass(slots=True)
class _Since:
    """What a receiver has done since its last line."""

    ids: list[str] = field(default_factory=list)
    first: dict[str, object] = field(default_factory=dict)
    """What a line says of the first call."""
    slowest: float = 0.0
    """Seconds."""


class DoneLines:
    """Tells what receivers have done.

    At the level `debug` each call has a line of its own.
    """

    def __init__(self) -> None:
        self._since: dict[str, _Since] = {}
        """By receiver that has told something within `TELL_S`."""

    def add(self, receiver: str, rows: Sequence[Claimed], seconds: float) -> None:
        """Tell of a call of the receiver, of `seconds`, now or together with the next ones."""
        since = self._since.get(receiver)
        if since is None or _stdlib.isEnabledFor(logging.DEBUG):
            _say(receiver, seconds, named(rows))
            self._wait(receiver)
            return
        if not since.ids:
            since.first = named(rows)
        since.ids += [row.event_id for row in rows]
        since.slowest = max(since.slowest, seconds)

    def tell(self) -> None:
        """Tell at once what waits."""
        for receiver in tuple(self._since):
            self._tell(receiver)

    def _wait(self, receiver: str) -> None:
        if receiver not in self._since:
            self._since[receiver] = _Since()
            # Not in the context of the call: what is told then is not about its event.
            asyncio.get_running_loop().call_later(TELL_S, self._tell, receiver, context=Context())

    def _tell(self, receiver: str) -> None:
        since = self._since.pop(receiver, None)
        if since and since.ids:
            one = len(since.ids) == 1
            _say(receiver, since.slowest, since.first if one else of_events(since.ids))
            self._wait(receiver)


def _say(receiver: str, seconds: float, about: Mapping[str, object]) -> None:
    log.info("done", receiver=receiver, ms=round(seconds * 1000, 1), **about)


def named(rows: Sequence[Claimed]) -> dict[str, object]:
    """What a line says of a call with these rows."""
    if len(rows) > 1:
        return of_events([row.event_id for row in rows])
    [one] = rows
    about = of_event(one.event_id, one.subject, one.headers.get("traceparent"))
    return about | {"attempt": one.attempts}
