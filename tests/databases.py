"""Which databases a test meets, and how PostgreSQL stores its tables."""

from collections.abc import Mapping

import pytest
from sqlalchemy import MetaData, text

from heliograph.database import Database

sqlite_suffices = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test whose subject comes before the database or after it, as an HTTP body that is refused
does. What is about a query, a transaction, a lock, an order, a type or a constraint meets both."""

postgresql_alone = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
"""For a test of what SQLite does not have."""


async def storage_parameters(database: Database) -> Mapping[str, list[str]]:
    """The parameters of each table that has any, as `name=value`."""
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'")
        )
        return {name: sorted(options) for name, options in rows if options}


def modelled_parameters(metadata: MetaData) -> Mapping[str, list[str]]:
    """What `storage_parameters` gives of a database that is as the models say."""
    found = {
        table.name: table.dialect_options["postgresql"]["with"] or {}
        for table in metadata.tables.values()
    }
    return {
        name: sorted(f"{option}={value}" for option, value in options.items())
        for name, options in found.items()
        if options
    }
