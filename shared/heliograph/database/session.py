"""Sessions: units of work that know on whose behalf they are done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import isawaitable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState

from heliograph.database.guard import GuardedSession
from heliograph.errors import Refused
from heliograph.events import Event
from heliograph.signals import NOBODY, Collaborators

log = structlog.stdlib.get_logger(__name__)


class Session(AsyncSession):
    """A unit of work that knows on whose behalf it is done and whom its receivers may ask for."""

    sync_session_class = GuardedSession
    sync_session: GuardedSession

    def __init__(self, *, collaborators: Collaborators = NOBODY, **options: Any) -> None:
        super().__init__(**options)
        self.collaborators = Collaborators({AsyncSession: self, Session: self}, collaborators)
        self.actor: str | None = None
        """Subject of the caller's token."""
        self.origin: str | None = None
        """`"batch"`, `"import"`, or None."""
        self.commits = False
        """Whether what is done in it will be committed, and its events with it."""
        self.traceparent: str | None = None
        self.versions: dict[UUID, int] = {}
        """By subject, the version that it had when this transaction first wrote to it."""

    async def close(self) -> None:
        await super().close()
        self.commits = False
        # It holds the session: a circle, with all that the session holds, for the collector.
        self.collaborators = NOBODY

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call it once the transaction has committed; never if it, or its savepoint, does not.

        As Django's `transaction.on_commit`, for receivers and repositories alike; what it returns
        is awaited if it can be. Of several all are called at once, in this order, and then awaited
        one after another, before whoever asked for the change is answered. One that fails is
        logged by its name, and nothing is undone. In a session that only reads, it is called as
        the session ends.
        """
        self.sync_session.callbacks.append(callback)

    def take_callbacks(self) -> list[Callable[[], object]]:
        """What is to be called once it is closed, whatever becomes of its transaction from now."""
        callbacks, self.sync_session.callbacks = self.sync_session.callbacks, []
        return callbacks

    async def call_back(self, callbacks: list[Callable[[], object]]) -> None:
        """Call these, and what they in turn ask to be called."""
        while callbacks:
            waiting = []
            for each in callbacks:
                with _told(each):
                    answer = each()
                    if isawaitable(answer):
                        waiting.append((each, answer))
            for each, answer in waiting:
                with _told(each):
                    await answer
            callbacks = self.take_callbacks()

    def allow_flush(self, instance: object) -> None:
        """Let the next flush write this instance of a signalling model: its signals are sent."""
        self.sync_session.allowed.add(instance)

    def check_unaltered(self, event: Event[Any]) -> None:
        """Raise `Refused` if receivers of a `post_` signal altered what is written already.

        The caller's change cannot be announced as it would then be; the guard would say at the
        next flush that somebody wrote past the repository, which is not so.
        """
        state: InstanceState[Any] = inspect(event.instance)
        if not state.modified:
            return
        altered = [each.key for each in state.attrs if each.history.has_changes()]
        if altered:
            refused = Refused(
                f"a receiver of {event.signal} altered {', '.join(altered)} of this"
                f" {event.sender.__name__}, which is written and announced already: do that in a"
                " receiver of pre_save"
            )
            refused.event = event
            raise refused


@contextmanager
def _told(callback: Callable[[], object]) -> Iterator[None]:
    """Log its failure: what is committed stays so, and whoever asked for it hears nothing else."""
    try:
        yield
    except Exception:
        function = callback.func if isinstance(callback, partial) else callback
        name = getattr(function, "__qualname__", repr(function))
        log.exception("a callback failed after the commit", callback=name)
