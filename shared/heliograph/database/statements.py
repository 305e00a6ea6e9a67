"""Statements past SQLAlchemy, where it would cost more than the work itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Select, Update
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph.database.database import Database
from heliograph.database.unavailable import unavailable
from heliograph.errors import DatabaseUnavailable


@asynccontextmanager
async def driver(database: Database, *, reads: bool = False) -> AsyncIterator[Any]:
    """Lend a connection of a pool as its driver has it, asyncpg; `reads` if it shall only read.

    Raises `DatabaseUnavailable` when the database is away.
    """
    engine = database.read_engine if reads else database.engine
    async with unavailable(), engine.connect() as pooled:
        raw = await pooled.get_raw_connection()
        try:
            yield raw.driver_connection
        except (OSError, TimeoutError) as error:  # as the driver tells of a socket and a deadline
            # It may still owe an answer, for which its next user would wait.
            await pooled.invalidate(error)
            raise DatabaseUnavailable(f"the database does not answer: {error!r}") from error


class Statement:
    """A statement of SQLAlchemy that is compiled once; its values are given by name."""

    def __init__(self, database: Database, statement: Update) -> None:
        self._database = database
        self._statement = statement
        if not database.is_sqlite:
            compiled = statement.compile(dialect=database.engine.dialect)
            self._text = str(compiled)
            # In the order in which the driver wants them; those of the statement's own stay.
            self._values = {name: compiled.params[name] for name in compiled.positiontup or ()}

    async def run(self, **values: object) -> Sequence[Sequence[Any]]:
        """Run it as a transaction by itself, in one round trip on PostgreSQL; returns the rows.

        Raises `DatabaseUnavailable` when the database is away.
        """
        if self._database.is_sqlite:
            async with self._database.statement() as connection:
                return await self.run_in(connection, **values)
        async with driver(self._database) as raw:
            rows: Sequence[Sequence[Any]] = await raw.fetch(self._text, *self._in_order(values))
            return rows

    async def run_each(self, many: Sequence[Mapping[str, object]]) -> None:
        """Run it once for each, all in one transaction and, on PostgreSQL, one round trip.

        Raises `DatabaseUnavailable` when the database is away.
        """
        if self._database.is_sqlite:
            async with self._database.statement() as connection:
                await connection.execute(self._statement, many)
            return
        async with driver(self._database) as raw:
            await raw.executemany(self._text, [self._in_order(values) for values in many])

    async def run_in(
        self, connection: AsyncConnection, **values: object
    ) -> Sequence[Sequence[Any]]:
        """Run it in the connection's transaction; returns the rows."""
        if self._database.is_sqlite:
            found = await connection.execute(self._statement, values)
        else:
            found = await connection.exec_driver_sql(self._text, self._in_order(values))
        rows: Sequence[Sequence[Any]] = found.all()
        return rows

    def _in_order(self, values: Mapping[str, object]) -> tuple[object, ...]:
        return tuple({**self._values, **values}.values())


class Query:
    """A SELECT of SQLAlchemy that is compiled once; its values are given by name."""

    def __init__(self, database: Database, query: Select[Any]) -> None:
        self._database = database
        self._query = query
        if not database.is_sqlite:
            dialect = database.read_engine.dialect
            compiled = query.compile(dialect=dialect)
            self._text = str(compiled)
            self._names = tuple(compiled.positiontup or ())
            types = [column.type.dialect_impl(dialect) for column in query.selected_columns]
            self._readers = [
                (place, reader)
                for place, each in enumerate(types)
                if (reader := each.result_processor(dialect, None))
            ]

    async def run(self, **values: object) -> Sequence[Sequence[Any]]:
        """Run it where nothing can be written; returns the rows, read as SQLAlchemy reads them.

        Raises `DatabaseUnavailable` when the database is away.
        """
        if self._database.is_sqlite:
            async with unavailable(), self._database.read_engine.connect() as connection:
                return list(await connection.execute(self._query, values))
        async with driver(self._database, reads=True) as raw:
            found = await raw.fetch(self._text, *(values[name] for name in self._names))
        rows = [list(row) for row in found]
        for row in rows:
            for place, reader in self._readers:
                row[place] = reader(row[place])
        return rows
