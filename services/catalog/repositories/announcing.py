"""Signals around writes: what the repositories of signalling models have in common."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import typing_extensions
from sqlalchemy import select
from sqlalchemy.orm.attributes import instance_state

from heliograph import (
    CannotAnnounce,
    Contract,
    Event,
    Signal,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)
from heliograph.crash import crash_point
from heliograph.database import Session, Signalling
from heliograph.events import follow_up
from services.catalog.models import Category, Product

M = TypeVar("M", bound=Signalling)
C = TypeVar("C", bound=Contract)
D = typing_extensions.TypeVar("D", default=None)


class Announcer(Generic[M, C]):
    """Sends a model's `pre_` and `post_` signals, in the session's transaction.

    What stands between the two, in the block of `saving` or `deleting`, writes the rows. Many
    cost a few statements, not a few for each: all `pre_` signals, one write, all `post_`
    signals. The order of each row's events is the same as for one.
    """

    def __init__(self, session: Session, model: type[M], snapshot: Callable[[M], C]) -> None:
        self._session = session
        self._model = model
        self._snapshot = snapshot

    @asynccontextmanager
    async def saving(self, drafts: Iterable[tuple[M, C | None, int]]) -> AsyncIterator[list[C]]:
        """Announce that instances are saved; the block writes those that have changed.

        A draft is an instance, its snapshot before the change (None for a new one) and the
        version that the change makes. Receivers of `pre_save` may alter the instance or
        refuse. Gives a snapshot of each as it is then: its `original` itself if nothing has
        changed, which is not announced.
        """
        moment = now()
        saves = [await self._before_save(*draft, moment) for draft in drafts]
        yield [snapshot for _, snapshot in saves]
        written = [event for event, _ in saves if event.changes is None or event.changes]
        if written:
            crash_point("catalog.after_row")
        heard = post_save.has_listeners(self._model, last=False)
        for event in map(follow_up, written):
            await post_save.send(event, self._session.collaborators)
            if heard:
                self._session.check_unaltered(event)

    async def _before_save(
        self, instance: M, original: C | None, version: int, moment: datetime
    ) -> tuple[Event[M], C]:
        snapshot = self._snapshot(instance)
        event = self.event(
            instance, snapshot, version, original=original, created=original is None, time=moment
        )
        if original is not None:
            event.changes = original.changes_to(snapshot)
        await pre_save.send(event, self._session.collaborators)
        if pre_save.has_listeners(self._model, last=False):
            # What they made of it counts.
            event.snapshot = snapshot = self._snapshot(instance)
            if original is not None:
                event.changes = original.changes_to(snapshot)
        if original is None or event.changes is None:
            return event, snapshot
        event.update_fields = tuple(event.changes)
        return event, snapshot if event.changes else original

    @asynccontextmanager
    async def deleting(
        self, drafts: Iterable[tuple[M, int]], *, cascade: str | None = None
    ) -> AsyncIterator[None]:
        """Announce that instances are deleted, each with the version that this makes.

        `cascade` is the sender with whose deletion they go, if they are not deleted by themselves.
        """
        events = []
        for instance, version in drafts:
            event = self.event(instance, self._snapshot(instance), version, cascade=cascade)
            await pre_delete.send(event, self._session.collaborators)
            events.append(event)
        yield
        for event in events:
            await post_delete.send(follow_up(event), self._session.collaborators)

    async def announce(
        self, signal: Signal[D], instance: M, data: D | None, *, of: Product | Category
    ) -> C:
        """Announce a signal of one's own about an instance, as a change of the subject `of`.

        It locks the subject's row and gives it the next version. Returns the instance's snapshot.
        Raises `CannotAnnounce`, and `TypeError` or `ValueError` for data that are not the signal's.
        """
        self._check(signal)
        signal.check(data)
        await self._lock(signal, of)
        of.version = next_version(self._session, of.id, of.version)
        of.updated_at = now()
        await flush(self._session, [of])
        snapshot = self._snapshot(instance)
        event = self.event(instance, snapshot, of.version, data=data)
        await signal.send(event, self._session.collaborators)
        return snapshot

    def _check(self, signal: Signal[Any]) -> None:
        contract = signal.kind.contract
        if contract is not self._model.contract:
            raise CannotAnnounce(
                f"{signal.name} is announced about a {contract.__name__}, not about a "
                f"{self._model.contract.__name__}: declare another signal, with that sender"
            )
        if signal.buffered:
            raise CannotAnnounce(
                f"{signal.name} is buffered, and leaves whether or not a transaction commits: "
                f"write await {signal.name}.send(Event(…)), or declare it without buffered=True"
            )
        if not any(each.last and each.sender is self._model for each in signal):
            raise CannotAnnounce(
                f"no outbox hears {signal.name}: declare it in a module that is imported before "
                "the service is made"
            )
        if not self._session.commits:
            raise CannotAnnounce(
                f"{signal.name} is announced with a transaction, and here is none: load what it "
                "is about, and announce it, within one database.transaction()"
            )

    async def _lock(self, signal: Signal[Any], of: Product | Category) -> None:
        what = f"the {type(of).__name__.lower()} {of.id}"
        state = instance_state(of)
        if state.was_deleted or of in self._session.deleted:
            raise CannotAnnounce(f"{signal.name}: {what} is deleted: announce it before it is")
        if not state.persistent:
            raise CannotAnnounce(f"{signal.name}: {what} is not saved yet: save it first")
        if self._session.is_modified(of):
            raise CannotAnnounce(f"{signal.name}: {what} has changes: save them first")
        model = type(of)
        version = await self._session.scalar(
            select(model.version).where(model.id == of.id).with_for_update()
        )
        if version is None:
            raise CannotAnnounce(f"{signal.name}: {what} is deleted by now: load it with edit")
        if version != of.version:
            raise CannotAnnounce(f"{signal.name}: {what} has changed: load it with edit")

    def event(self, instance: M, snapshot: C, version: int, **details: Any) -> Event[M, Any]:
        """Begin an event about the instance as it is now, on behalf of the session's caller."""
        return Event(
            sender=self._model,
            instance=instance,
            snapshot=snapshot,
            version=version,
            actor=self._session.actor,
            origin=self._session.origin,
            **details,
        )


async def flush(session: Session, instances: Iterable[Signalling]) -> None:
    """Write instances of signalling models, between their signals."""
    for each in instances:
        session.allow_flush(each)
    await session.flush()


def next_version(session: Session, instance_id: UUID, current: int) -> int:
    """The version that this transaction makes of the subject, however many writes it has.

    `current` counts when the subject is first written; a new one has version 0 until then.
    """
    return session.versions.setdefault(instance_id, current) + 1


def now() -> datetime:
    """The moment of a change, as its row and its events tell it."""
    return datetime.now(UTC)
