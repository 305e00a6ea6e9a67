"""Writing with signals: what the repositories of signalling models have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from heliograph import Contract, Event, post_delete, post_save, pre_delete, pre_save
from heliograph.crash import crash_point
from heliograph.database import Session, Signalling
from heliograph.events import new_id, write_content
from services.catalog.snapshots import Snapshots

M = TypeVar("M", bound=Signalling)
C = TypeVar("C", bound=Contract)


class AnnouncingRepository(Generic[M, C]):
    """Sends `pre_` and `post_` signals around each write, in the session's transaction.

    Many rows cost a few statements, not a few for each: all `pre_` signals, one flush, all
    `post_` signals. The order of each row's events is the same as for one.
    """

    model: type[M]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshots: Snapshots = session.collaborators[Snapshots]

    def snapshot(self, instance: M) -> C:
        """Copy the instance as the public sees it."""
        raise NotImplementedError

    def unmark(self, instance: M, original: C) -> None:
        """Take back the version and the time that an instance got for a change it does not have."""

    def event(self, instance: M, version: int, **details: Any) -> Event[M]:
        """Begin an event about the instance as it is now, on behalf of the session's caller."""
        return Event(
            sender=self.model,
            instance=instance,
            snapshot=self.snapshot(instance),
            version=version,
            actor=self.session.actor,
            origin=self.session.origin,
            **details,
        )

    async def _save_all(
        self, drafts: Iterable[tuple[M, C | None, int]], *touched: Signalling
    ) -> list[C | None]:
        """Write instances, and `touched` rows with them, each between its two signals.

        A draft is an instance, its snapshot before the change (None for a new one) and the
        version that the change makes. Receivers of `pre_save` may alter the instance or
        refuse. Returns a snapshot of each that was written, None where nothing had changed.
        """
        moment = now()
        events = [await self._before_save(*draft, moment) for draft in drafts]
        written = [event for event in events if event.changes is None or event.changes]
        for event in events:
            if event.changes is not None and not event.changes:
                self.unmark(event.instance, event.original)
        if not written:
            return [None] * len(events)
        await self._store(written, *touched)
        crash_point("catalog.after_row")
        for event in written:
            await post_save.send(_next(event), self.session.collaborators)
        return [
            event.snapshot if event.changes is None or event.changes else None  # type: ignore[misc]
            for event in events
        ]

    async def _store(self, events: Sequence[Event[M]], *touched: Signalling) -> None:
        """Bring the instances of `pre_save` events, and `touched` ones, into the database."""
        instances = [event.instance for event in events]
        self.session.add_all(instances)
        for each in (*instances, *touched):
            self.session.allow_flush(each)
        await self.session.flush()

    async def _before_save(
        self, instance: M, original: C | None, version: int, moment: datetime
    ) -> Event[M]:
        event = self.event(
            instance, version, original=original, created=original is None, time=moment
        )
        if original is not None:
            event.changes = original.changes_to(event.snapshot)  # type: ignore[arg-type]
        await pre_save.send(event, self.session.collaborators)
        if pre_save.has_listeners(self.model, last=False):
            # What they made of it counts.
            snapshot = self.snapshot(instance)
            event.snapshot = snapshot
            if original is not None:
                event.changes = original.changes_to(snapshot)
        if event.changes is not None:
            event.update_fields = tuple(event.changes)
        return event

    async def _delete_all(self, drafts: Sequence[tuple[M, int]], *touched: Signalling) -> None:
        """Delete instances, and write `touched` rows with them, each between its two signals."""
        events = []
        for instance, version in drafts:
            event = self.event(instance, version)
            await pre_delete.send(event, self.session.collaborators)
            events.append(event)
        for each in (*(instance for instance, _ in drafts), *touched):
            self.session.allow_flush(each)
        for instance, _ in drafts:
            await self.session.delete(instance)
        await self.session.flush()
        for event in events:
            await post_delete.send(_next(event), self.session.collaborators)


def _next(event: Event[M]) -> Event[M]:
    """The event of the change's next signal, which says the same."""
    write_content(event)
    return replace(event, id=new_id())


def next_version(session: Session, instance_id: UUID, current: int) -> int:
    """The version that this transaction makes of the subject, however many writes it has.

    `current` counts when the subject is first written; a new one has version 0 until then.
    """
    return session.versions.setdefault(instance_id, current) + 1


def now() -> datetime:
    """The moment of a change, as its row and its events tell it."""
    return datetime.now(UTC)
