"""The programs of a small service of the tests' own."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import MetaData, func, select, update

from heliograph.database import Database, database_now
from heliograph.programs import Programs, program_table

metadata = MetaData()
TABLE = program_table(metadata)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
def programs(database: Database) -> Programs:
    return Programs(database, TABLE)


async def let_pass(database: Database, time: timedelta) -> None:
    """Let everybody have been silent for so long."""
    async with database.transaction() as session:
        await session.execute(update(TABLE).values(seen_at=database_now(-time.total_seconds())))


async def rows(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(TABLE)) or 0
