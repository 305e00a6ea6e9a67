"""Writing with signals: what the repositories of signalling models have in common."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from services.catalog.snapshots import Snapshots
from shared.contracts import Contract
from shared.database import Session
from shared.events import Event, new_id
from shared.guard import Signalling
from shared.signals import post_delete, post_save, pre_delete, pre_save

M = TypeVar("M", bound=Signalling)
C = TypeVar("C", bound=Contract)


class AnnouncingRepository(Generic[M, C]):
    """Sends `pre_` and `post_` signals around each write, in the session's transaction."""

    model: type[M]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshots: Snapshots = session.within[Snapshots]
        self._originals: dict[UUID, C] = {}

    def snapshot(self, instance: M) -> C:
        """Copy the instance as the public sees it."""
        raise NotImplementedError

    def _event(self, instance: M, snapshot: Contract, version: int, **details: Any) -> Event[M]:
        return Event(
            sender=self.model,
            instance=instance,
            snapshot=snapshot,
            version=version,
            actor=self.session.actor,
            origin=self.session.origin,
            **details,
        )

    async def _save(
        self, instance: M, original: C | None, version: int, *touched: Signalling
    ) -> C | None:
        """Write the instance, and `touched` rows with it, between its two signals.

        `original` is None for a new one. Receivers of `pre_save` may alter the instance or
        refuse. Returns the snapshot of what was written, or None if nothing had changed.
        """
        snapshot = self.snapshot(instance)
        event = self._event(
            instance, snapshot, version, original=original, created=original is None
        )
        if original is not None:
            event.changes = original.changes_to(snapshot)
        await pre_save.send(event, self.session.within)
        snapshot = event.snapshot = self.snapshot(instance)
        if original is not None:
            event.changes = original.changes_to(snapshot)
            if not event.changes:
                return None
            event.update_fields = tuple(event.changes)
        self.session.add(instance)
        for each in (instance, *touched):
            self.session.announce(each)
        await self.session.flush()
        await post_save.send(replace(event, id=new_id()), self.session.within)
        return snapshot

    async def _delete(self, instance: M, version: int, *touched: Signalling) -> None:
        """Delete the instance, and write `touched` rows with it, between its two signals."""
        event = self._event(instance, self.snapshot(instance), version)
        await pre_delete.send(event, self.session.within)
        for each in (instance, *touched):
            self.session.announce(each)
        await self.session.delete(instance)
        await self.session.flush()
        await post_delete.send(replace(event, id=new_id()), self.session.within)


def now() -> datetime:
    """The moment of a change, as its row and its events tell it."""
    return datetime.now(UTC)
