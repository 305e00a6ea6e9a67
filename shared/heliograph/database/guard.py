"""The guard: no write to a signalling model without its signals.

It sees what goes through a session: new, dirty and deleted instances at the flush, and
ORM or Core INSERT, UPDATE and DELETE statements. Textual SQL is outside.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.orm import (
    ORMExecuteState,
    Session,
    SessionTransaction,
    make_transient,
    make_transient_to_detached,
)
from sqlalchemy.orm.attributes import instance_state

from heliograph.errors import Unannounced
from heliograph.events import Event


class Signalling:
    """Mixin for models whose changes are announced.

    `repository` names the class that announces them; the guard's error points to it.
    """

    repository: ClassVar[str]


class GuardedSession(Session):
    """A session that refuses unannounced writes and holds the events of announced ones."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.allowed: set[object] = set()
        self.events: list[Event[Any]] = []
        """Events of this transaction, in the order in which they were sent."""
        self.adopted: list[object] = []
        """Instances whose rows this transaction inserted without a flush."""

    def adopt(self, instances: Iterable[object]) -> None:
        """Know new instances whose rows a statement inserted, as after a flush.

        Nothing may hang on them. If the transaction or its savepoint is rolled back they
        are new again.
        """
        for instance in instances:
            make_transient_to_detached(instance)
            # `add` for an instance on which nothing hangs that would have to be added too.
            self._update_impl(instance_state(instance))
            self.adopted.append(instance)


def _refuse(model: type[Signalling], what: str) -> None:
    raise Unannounced(
        f"{what} of {model.__name__} outside its signals: use {model.repository} instead"
    )


@sqlalchemy_event.listens_for(GuardedSession, "before_flush")
def _guard_flush(session: GuardedSession, _context: object, _instances: object) -> None:
    for what, instances in (
        ("insert", session.new),
        ("update", [each for each in session.dirty if session.is_modified(each)]),
        ("delete", session.deleted),
    ):
        for instance in instances:
            if isinstance(instance, Signalling) and instance not in session.allowed:
                _refuse(type(instance), what)


@sqlalchemy_event.listens_for(GuardedSession, "after_flush")
def _forget_allowed(session: GuardedSession, _context: object) -> None:
    session.allowed.clear()


@sqlalchemy_event.listens_for(GuardedSession, "do_orm_execute")
def _guard_statement(state: ORMExecuteState) -> None:
    statement: Any = state.statement
    if not getattr(statement, "is_dml", False):
        return
    table = statement.table
    for model in _signalling_models():
        # Not `is`: the table of a statement on a mapped class is an annotated copy, equal to it.
        if model.__table__ == table:  # type: ignore[attr-defined]  # mapped by declaration
            _refuse(model, type(statement).__name__.lower())


def _signalling_models() -> list[type[Signalling]]:
    return Signalling.__subclasses__()


@sqlalchemy_event.listens_for(GuardedSession, "after_transaction_create")
def _remember_events(session: GuardedSession, transaction: SessionTransaction) -> None:
    transaction.events_before = len(session.events)  # type: ignore[attr-defined]
    transaction.adopted_before = len(session.adopted)  # type: ignore[attr-defined]


@sqlalchemy_event.listens_for(GuardedSession, "after_soft_rollback")
def _forget_events(session: GuardedSession, previous: SessionTransaction) -> None:
    # What a rolled back savepoint did is not announced either.
    del session.events[getattr(previous, "events_before", 0) :]
    place = getattr(previous, "adopted_before", 0)
    for instance in session.adopted[place:]:
        make_transient(instance)
    del session.adopted[place:]
