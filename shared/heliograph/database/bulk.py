"""An INSERT of many rows whose text is the same however many those are.

Only such a statement is cached: by SQLAlchemy, by the driver and by the server. On
PostgreSQL its parameters are arrays, or its rows follow a COPY; SQLite gets the driver's
`executemany`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from heliograph.database.guard import ALLOWED
from heliograph.database.postgresql import INTEGRITY_ERRORS
from heliograph.database.unavailable import lent

MANY = 100
"""From so many rows on COPY pays for its second round trip to PostgreSQL."""


class BulkInsert:
    """Inserts rows into a table, in the order in which they are given.

    A row is its values in the order of `columns`, as the driver takes them.
    """

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._insert = insert(table)
        self._columns = tuple(columns)
        names = ", ".join(columns)
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        arrays = ", ".join(
            f"${place}::{table.c[name].type.compile(dialect)}[]"
            for place, name in enumerate(columns, 1)
        )
        self._unnest = (
            f"INSERT INTO {table.name} ({names}) "  # noqa: S608 - names of ours only
            f"SELECT {names} FROM unnest({arrays}) "
            f"WITH ORDINALITY AS rows ({names}, place) ORDER BY place"
        )

    async def insert(self, session: AsyncSession, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the rows in the session's transaction; raise `IntegrityError` as it does."""
        connection = await session.connection()
        if connection.dialect.name != "postgresql":
            named = [dict(zip(self._columns, row, strict=True)) for row in rows]
            await connection.execute(self._insert, named, execution_options=ALLOWED)
            return
        async with lent(connection) as driver:
            try:
                if not driver.is_in_transaction():  # SQLAlchemy begins with the first statement
                    await connection.exec_driver_sql(self._unnest, _transposed(rows))
                elif len(rows) < MANY:
                    await driver.execute(self._unnest, *_transposed(rows))
                else:
                    table = self._insert.table.name
                    await driver.copy_records_to_table(table, columns=self._columns, records=rows)
            except INTEGRITY_ERRORS as error:
                raise IntegrityError(self._unnest, None, error) from error


def _transposed(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
