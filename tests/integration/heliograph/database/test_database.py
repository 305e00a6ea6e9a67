import gc
import weakref
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from heliograph.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


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


async def test_who_waits_for_a_commit_is_called_after_it_alone(database: Database) -> None:
    called: list[str] = []
    async with database.transaction() as session:
        session.on_commit(lambda: called.append("rolled back"))
        await session.execute(text("SELECT 1"))
        await session.rollback()
    async with database.transaction() as session:
        session.on_commit(lambda: called.append("first"))
        async with session.begin_nested() as savepoint:
            session.on_commit(lambda: called.append("savepoint"))
            await savepoint.rollback()
        session.on_commit(lambda: called.append("second"))
        assert called == []
    assert called == ["first", "second"]


async def test_a_callback_that_fails_is_logged_and_the_commit_stands(
    database: Database,
) -> None:
    called: list[str] = []
    with capture_logs() as lines:
        async with database.transaction() as session:
            session.on_commit(lambda: called.remove("what is not there"))
            session.on_commit(lambda: called.append("next"))
    assert called == ["next"]
    assert [each["event"] for each in lines] == ["a callback failed after the commit"]
