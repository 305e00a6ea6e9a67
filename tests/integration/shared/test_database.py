import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database


async def test_what_reads_sees_what_is_committed_and_can_write_nothing(database_url: str) -> None:
    database = Database(database_url)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE thing (id int)"))
        await session.execute(text("INSERT INTO thing VALUES (1)"))
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM thing")) == 1
        with pytest.raises(DBAPIError, match=r"read-?only"):
            await session.execute(text("INSERT INTO thing VALUES (2)"))
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM thing")) == 1
    await database.close()
