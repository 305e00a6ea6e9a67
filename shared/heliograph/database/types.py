"""Column types and SQL expressions that mean the same on PostgreSQL and SQLite."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CompoundSelect,
    DateTime,
    Dialect,
    Float,
    Integer,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from heliograph.database.session import Session

T = TypeVar("T")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond; refuses one without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        # PostgreSQL's driver gives moments in UTC as it is.
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
"""A row number; SQLite numbers rows only in a plain INTEGER."""


class _Clock(FunctionElement[datetime]):
    """The database's own clock, `seconds` from now; no two processes' clocks are compared."""

    type = UtcDateTime()
    inherit_cache = True
    name = "clock"


@compiles(_Clock, "postgresql")
def _clock_postgresql(element: _Clock, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


@compiles(_Clock, "sqlite")
def _clock_sqlite(element: _Clock, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    # The format in which DateTime stores, padded to microseconds: text order is time order.
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"


def database_now(seconds: float | ColumnElement[float] = 0.0) -> ColumnElement[datetime]:
    """The moment `seconds` from now by the database's clock."""
    if not isinstance(seconds, ColumnElement):
        seconds = bindparam(None, float(seconds), type_=Float())
    return _Clock(seconds)


class Condition(FunctionElement[bool]):
    """A condition that each database writes in its own way, in parentheses."""

    type = Boolean()

    def self_group(self, against: Any = None) -> Self:
        # As it is: SQLite would be asked for `(…) = 1`, and for that it scans the table.
        return self


class _Many(TypeDecorator[Collection[Any]]):
    """Values as one parameter, as texts: an array for PostgreSQL, JSON for SQLite.

    About other arrays than of text asyncpg asks the server on each connection.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, each: TypeEngine[Any]) -> None:
        super().__init__()
        self.each = each

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(JSON() if is_sqlite else ARRAY(Text))

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        process = self.each.dialect_impl(dialect).bind_processor(dialect) or str
        return [process(each) for each in value or ()]


class _OneOf(Condition):
    """Whether a value is one of many, which are one parameter."""

    inherit_cache = True
    name = "one_of"


@compiles(_OneOf, "postgresql")
def _one_of_postgresql(element: _OneOf, compiler: Any, **options: Any) -> str:
    value, values = (compiler.process(each, **options) for each in element.clauses)
    type_ = next(iter(element.clauses)).type.compile(compiler.dialect)
    # A subquery, for these texts are read once then, and not again for each row.
    return f"({value} = ANY ((SELECT {values}::{type_}[])::{type_}[]))"


@compiles(_OneOf, "sqlite")
def _one_of_sqlite(element: _OneOf, compiler: Any, **options: Any) -> str:
    value, values = (compiler.process(each, **options) for each in element.clauses)
    return f"({value} IN (SELECT value FROM json_each({values})))"  # noqa: S608 - no values


def one_of(value: ColumnElement[T], values: Collection[T] | str) -> ColumnElement[bool]:
    """Whether a column's value, a text or a UUID, is one of these: `in_` for many.

    A text instead of values names the parameter with which they will be given.
    """
    many = _Many(value.type)
    if isinstance(values, str):
        return _OneOf(value, bindparam(values, type_=many))
    return _OneOf(value, bindparam(None, values, type_=many))


class _Among(Condition):
    """Whether a value is one that a query gives."""

    inherit_cache = True
    name = "among"


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: Any, **options: Any) -> str:
    value, query = (compiler.process(each, **options) for each in element.clauses)
    return f"({value} = ANY (ARRAY {query}))"


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: Any, **options: Any) -> str:
    value, query = (compiler.process(each, **options) for each in element.clauses)
    return f"({value} IN {query})"


def among(
    value: ColumnElement[Any], query: Select[Any] | CompoundSelect[Any]
) -> ColumnElement[bool]:
    """Whether a value is one that the query gives: `in_`, for a query that is to run once.

    For a table that it believes to be small PostgreSQL would run it again for each row.
    """
    return _Among(value, query.scalar_subquery())


def unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    """A column's text in a way that no index has it, to check rows that are named by their ids.

    PostgreSQL takes a partial index for empty if it was when the table was last analyzed, and would
    rather walk all of it, however long it is by now, than look up the ids.
    """
    return column.concat(literal_column("''"))


Inserting = Callable[[Any], "sqlite.Insert | postgresql.Insert"]
"""What makes an INSERT into a table, with `on_conflict_do_nothing` and `…_do_update`."""


def inserting(session: Session) -> Inserting:
    """What makes INSERTs for the session's database: the same each time, to keep statements by."""
    return sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert


def upsert(
    session: Session, model: type[DeclarativeBase] | Table
) -> sqlite.Insert | postgresql.Insert:
    """The INSERT of the session's database, with `on_conflict_do_nothing` and `…_do_update`."""
    return inserting(session)(model)
