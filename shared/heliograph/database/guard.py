"""The guard: no write to a signalling model without its signals.

A session's flush writes the instances that a repository has allowed, and no others. Every other
INSERT, UPDATE and DELETE that SQLAlchemy compiles, whoever sends it by whatever connection of the
database, is refused if it writes to a signalling model's table or to one that joins it to another.
Textual SQL is outside: SQLAlchemy does not know what it writes.
"""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, FromClause, UpdateBase
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import inspect as mapping_of
from sqlalchemy.orm import (
    Session,
    SessionTransaction,
    make_transient,
    make_transient_to_detached,
)
from sqlalchemy.sql.visitors import iterate

from heliograph.errors import Unannounced
from heliograph.events import Event
from heliograph.signals import Signalling

ALLOWED = {"heliograph_allowed": True}
"""Execution options of a statement or a connection whose writes are none of the guard's."""


class GuardedSession(Session):
    """A session that refuses unannounced writes and holds the events of announced ones."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.allowed: set[object] = set()
        """Instances that the next flush may write."""
        self.flushing = False
        self.events: list[Event[Any, Any]] = []
        """Events of this transaction, in the order in which they were sent."""
        self.adopted: list[object] = []
        """Instances whose rows this transaction inserted without a flush."""
        self.callbacks: list[Callable[[], object]] = []
        """What is to be called once this transaction has committed."""
        self._before: WeakKeyDictionary[SessionTransaction, tuple[int, int, int]] = (
            WeakKeyDictionary()
        )
        """How long each of these lists was when a savepoint began."""

    def flush(self, objects: Any = None) -> None:
        self.flushing = True
        try:
            super().flush(objects)
        finally:
            self.flushing = False

    def adopt(self, instances: Sequence[object]) -> None:
        """Know new instances whose rows a statement inserted, as after a flush.

        Nothing may hang on them. If the transaction or its savepoint is rolled back they
        are new again.
        """
        for instance in instances:
            make_transient_to_detached(instance)
        self.add_all(instances)
        self.adopted += instances

    def begun(self, transaction: SessionTransaction) -> None:
        """Remember what there was before a savepoint."""
        if transaction.parent is not None:
            self._before[transaction] = len(self.events), len(self.adopted), len(self.callbacks)

    def rolled_back(self, transaction: SessionTransaction) -> None:
        """Forget what was done in it: that is not announced, nor anybody called for it."""
        events, adopted, callbacks = self._before.get(transaction, (0, 0, 0))
        for instance in self.adopted[adopted:]:
            make_transient(instance)
        del self.events[events:], self.adopted[adopted:], self.callbacks[callbacks:]


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


_flushed_by: "WeakKeyDictionary[Connection, GuardedSession]" = WeakKeyDictionary()
"""The session that works on a connection: what it writes in a flush is guarded there."""

_writes: "WeakKeyDictionary[object, tuple[type[Signalling], str] | None]" = WeakKeyDictionary()
"""By compiled statement, which are cached: what it writes to a signalling model, if anything."""


@sqlalchemy_event.listens_for(GuardedSession, "after_begin")
def _remember_connection(
    session: GuardedSession, _transaction: SessionTransaction, connection: Connection
) -> None:
    _flushed_by[connection] = session


def guard(engine: Engine) -> None:
    """Refuse what would be written through the engine without its signals."""
    sqlalchemy_event.listen(engine, "before_cursor_execute", _guard_statement)


def _guard_statement(
    connection: Connection, _cursor: Any, _text: str, _values: Any, context: Any, _many: object
) -> None:
    compiled = context.compiled
    if compiled is None or ALLOWED.items() <= context.execution_options.items():
        return
    if compiled not in _writes:
        _writes[compiled] = _write_of(compiled.statement)
    if (write := _writes[compiled]) is None:
        return
    session = _flushed_by.get(connection)
    if session is None or not session.flushing:
        _refuse(*write)


def _write_of(statement: Any) -> tuple[type[Signalling], str] | None:
    """The signalling model that a statement, or one within it, writes to, and how."""
    tables = _guarded_tables()
    for part in iterate(statement):
        if isinstance(part, UpdateBase) and (model := tables.get(part.table)):
            return model, type(part).__name__.lower()
    return None


def _guarded_tables() -> dict[FromClause, type[Signalling]]:
    """The tables of signalling models, and those that join one to another model."""
    tables: dict[FromClause, type[Signalling]] = {}
    for model in Signalling.__subclasses__():
        mapper: Any = mapping_of(model, raiseerr=False)
        if mapper is None:  # a class that others inherit from, without a table
            continue
        joins = (each.secondary for each in mapper.relationships)
        tables |= {each: model for each in (*joins, mapper.local_table) if each is not None}
    return tables


sqlalchemy_event.listen(GuardedSession, "after_transaction_create", GuardedSession.begun)
sqlalchemy_event.listen(GuardedSession, "after_soft_rollback", GuardedSession.rolled_back)
