import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
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
    assert lines[0]["callback"].endswith("commit_stands.<locals>.<lambda>")


async def test_what_a_callback_returns_is_awaited_after_all_are_called(database: Database) -> None:
    called: list[str] = []

    async def note(name: str) -> None:
        await asyncio.sleep(0)
        called.append(name)

    async def fail() -> None:
        raise OSError("the search engine is away")

    with capture_logs() as lines:
        async with database.transaction() as session:
            session.on_commit(fail)
            session.on_commit(partial(note, "awaited first"))
            session.on_commit(lambda: note("awaited second"))
            session.on_commit(lambda: called.append("at once"))
            assert called == []
    assert called == ["at once", "awaited first", "awaited second"]
    assert [each["callback"].rpartition(".")[2] for each in lines] == ["fail"]


async def test_a_callback_may_ask_for_another(database: Database) -> None:
    called: list[str] = []
    async with database.transaction() as session:
        session.on_commit(lambda: session.on_commit(lambda: called.append("another")))
    assert called == ["another"]


async def test_where_nothing_is_committed_the_end_of_reading_is_waited_for(
    database: Database,
) -> None:
    called: list[str] = []
    async with database.reading() as session:
        await session.execute(text("SELECT 1"))
        session.on_commit(lambda: called.append("read"))
        assert called == []
    assert called == ["read"]


async def test_work_in_a_session_that_has_committed_is_refused(database: Database) -> None:
    with capture_logs() as lines:
        async with database.transaction() as session:
            session.on_commit(lambda: session.execute(text("SELECT 1")))
    assert [each["event"] for each in lines] == ["a callback failed after the commit"]
    with pytest.raises(InvalidRequestError, match="permanently closed"):
        await session.execute(text("SELECT 1"))
