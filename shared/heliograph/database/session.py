"""Sessions: units of work that know on whose behalf they are done."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from heliograph.database.guard import GuardedSession
from heliograph.signals import NOBODY, Collaborators


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
        self.traceparent: str | None = None
        self.versions: dict[UUID, int] = {}
        """By subject, the version that it had when this transaction first wrote to it."""

    async def close(self) -> None:
        await super().close()
        # It holds the session: a circle, with all that the session holds, for the collector.
        self.collaborators = NOBODY

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call it once the transaction has committed; never if it, or its savepoint, does not."""
        self.sync_session.callbacks.append(callback)

    def allow_flush(self, instance: object) -> None:
        """Let the next flush write this instance of a signalling model: its signals are sent."""
        self.sync_session.allowed.add(instance)
