"""Statements past SQLAlchemy, where it would cost more than the work itself.

Each is written with SQLAlchemy, for both databases, and compiled once; its values are given by
name. On PostgreSQL it goes to the driver as text. Whatever runs one raises `DatabaseUnavailable`
when the database is away.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import Select, Update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from heliograph.database.database import Database
from heliograph.database.unavailable import lent, unavailable

Rows = Sequence[Sequence[Any]]


class Statement(Protocol):
    """An UPDATE."""

    async def run(self, **values: object) -> Rows:
        """Run it as a transaction by itself, in one round trip on PostgreSQL; returns the rows."""

    async def run_each(self, many: Sequence[Mapping[str, object]]) -> None:
        """Run it once for each, all in one transaction and, on PostgreSQL, one round trip."""

    async def run_in(self, connection: AsyncConnection, **values: object) -> Rows:
        """Run it in the connection's transaction; returns the rows."""

    async def run_each_in(
        self, connection: AsyncConnection, many: Sequence[Mapping[str, object]]
    ) -> None:
        """Run it once for each in the connection's transaction, as `run_each` does."""


class Query(Protocol):
    """A SELECT."""

    async def run(self, **values: object) -> Rows:
        """Run it where nothing can be written; returns the rows, read as SQLAlchemy reads them."""


def statement_for(database: Database, update: Update) -> Statement:
    """Compile an UPDATE for the database."""
    return (SqliteStatement if database.is_sqlite else PostgresStatement)(database, update)


def query_for(database: Database, select: Select[Any]) -> Query:
    """Compile a SELECT for the database."""
    return (SqliteQuery if database.is_sqlite else PostgresQuery)(database, select)


@asynccontextmanager
async def driver(engine: AsyncEngine) -> AsyncIterator[Any]:
    """Lend a connection of a pool to PostgreSQL as its driver has it, asyncpg."""
    async with unavailable(), engine.connect() as pooled, lent(pooled) as connection:
        yield connection


class SqliteStatement:
    """An UPDATE that SQLAlchemy runs: on SQLite the round trips cost nothing."""

    def __init__(self, database: Database, update: Update) -> None:
        self._database = database
        self._update = update

    async def run(self, **values: object) -> Rows:
        async with self._database.statement() as connection:
            return await self.run_in(connection, **values)

    async def run_each(self, many: Sequence[Mapping[str, object]]) -> None:
        async with self._database.statement() as connection:
            await self.run_each_in(connection, many)

    async def run_in(self, connection: AsyncConnection, **values: object) -> Rows:
        return (await connection.execute(self._update, values)).all()

    async def run_each_in(
        self, connection: AsyncConnection, many: Sequence[Mapping[str, object]]
    ) -> None:
        await connection.execute(self._update, many)


class PostgresStatement:
    """An UPDATE that goes to the driver."""

    def __init__(self, database: Database, update: Update) -> None:
        self._engine = database.engine
        compiled = update.compile(dialect=database.engine.dialect)
        self._text = str(compiled)
        # In the order in which the driver wants them; those of the statement's own stay.
        self._values = {name: compiled.params[name] for name in compiled.positiontup or ()}

    async def run(self, **values: object) -> Rows:
        async with driver(self._engine) as connection:
            rows: Rows = await connection.fetch(self._text, *self._in_order(values))
            return rows

    async def run_each(self, many: Sequence[Mapping[str, object]]) -> None:
        async with driver(self._engine) as connection:
            await connection.executemany(self._text, [self._in_order(values) for values in many])

    async def run_in(self, connection: AsyncConnection, **values: object) -> Rows:
        return (await connection.exec_driver_sql(self._text, self._in_order(values))).all()

    async def run_each_in(
        self, connection: AsyncConnection, many: Sequence[Mapping[str, object]]
    ) -> None:
        await connection.exec_driver_sql(self._text, [self._in_order(values) for values in many])

    def _in_order(self, values: Mapping[str, object]) -> tuple[object, ...]:
        return tuple({**self._values, **values}.values())


class SqliteQuery:
    """A SELECT that SQLAlchemy runs."""

    def __init__(self, database: Database, select: Select[Any]) -> None:
        self._engine = database.read_engine
        self._select = select

    async def run(self, **values: object) -> Rows:
        async with unavailable(), self._engine.connect() as connection:
            found = await connection.execute(self._select, values)
            rows: Rows = found.all()
        return rows


class PostgresQuery:
    """A SELECT that goes to the driver."""

    def __init__(self, database: Database, select: Select[Any]) -> None:
        self._engine = database.read_engine
        dialect = self._engine.dialect
        compiled = select.compile(dialect=dialect)
        self._text = str(compiled)
        # In the order in which the driver wants them; those of the query's own stay.
        self._values = {name: compiled.params[name] for name in compiled.positiontup or ()}
        types = [column.type.dialect_impl(dialect) for column in select.selected_columns]
        self._readers = [
            (place, reader)
            for place, each in enumerate(types)
            if (reader := each.result_processor(dialect, None))
        ]

    async def run(self, **values: object) -> Rows:
        in_order = {**self._values, **values}.values()
        async with driver(self._engine) as connection:
            found = await connection.fetch(self._text, *in_order)
        rows: list[list[Any]] = [list(row) for row in found]
        for row in rows:
            for place, reader in self._readers:
                row[place] = reader(row[place])
        return rows
