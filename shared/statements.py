"""Statements past SQLAlchemy, where it would cost more than the work itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.unavailable import unavailable


@asynccontextmanager
async def driver(database: Database) -> AsyncIterator[Any]:
    """Lend a connection of PostgreSQL's pool as its driver, asyncpg, has it.

    Raises `DatabaseUnavailable` when the database is away.
    """
    try:
        async with unavailable(), database.engine.connect() as pooled:
            raw = await pooled.get_raw_connection()
            yield raw.driver_connection
    except (OSError, TimeoutError) as error:  # as the driver tells of a socket and a deadline
        raise DatabaseUnavailable(f"the database does not answer: {error!r}") from error


class Statement:
    """A statement of SQLAlchemy that is compiled once; its values are given by name."""

    def __init__(self, database: Database, statement: ReturningUpdate[Any]) -> None:
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
