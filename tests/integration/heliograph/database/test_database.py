import gc
import weakref

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from heliograph.database import Database


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


async def test_a_session_that_is_closed_is_no_work_for_the_collector(database_url: str) -> None:
    database = Database(database_url)
    gc.disable()
    try:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
        known = weakref.ref(session)
        del session
        assert known() is None
    finally:
        gc.enable()
    await database.close()
