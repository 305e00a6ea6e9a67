"""Many rows by one statement, few and many, on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError

from heliograph import DatabaseUnavailable
from heliograph.database import BigId, BulkInsert, Database, Session, UtcDateTime, one_of
from heliograph.database.bulk import MANY

letters = Table(
    "letters",
    MetaData(),
    Column("id", BigId, primary_key=True),
    Column("name", Text, unique=True),
    Column("body", LargeBinary),
    Column("sent_at", UtcDateTime),
    Column("weight", Integer, server_default="7"),
    sqlite_autoincrement=True,
)
boxes = Table("boxes", letters.metadata, Column("id", Uuid, primary_key=True))
COLUMNS = ("name", "body", "sent_at")
letters_rows = BulkInsert(letters, COLUMNS)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SIZES = pytest.mark.parametrize("count", [1, MANY])


def rows(count: int) -> list[tuple[str, bytes, datetime | None]]:
    return [(f"letter {-number}", b"\0\xff", NOON if number else None) for number in range(count)]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(letters.metadata.create_all)
    yield database
    await database.close()


async def names(session: Session) -> list[str]:
    return list(await session.scalars(select(letters.c.name).order_by(letters.c.id)))


@SIZES
@pytest.mark.parametrize("begun", [True, False])
async def test_rows_are_inserted_in_their_order(
    database: Database, count: int, *, begun: bool
) -> None:
    async with database.transaction() as session:
        if begun:
            await names(session)
        await letters_rows.insert(session, rows(count))
    async with database.reading() as session:
        found = (await session.execute(select(letters).order_by(letters.c.id))).all()
    assert [each[1:4] for each in found] == rows(count)
    assert {each.weight for each in found} == {7}


@SIZES
@pytest.mark.parametrize("begun", [True, False])
async def test_rows_go_with_their_transaction(
    database: Database, count: int, *, begun: bool
) -> None:
    async with database.transaction() as session:
        if begun:
            await names(session)
        await letters_rows.insert(session, rows(count))
        assert len(await names(session)) == count
        await session.rollback()
    async with database.reading() as session:
        assert await names(session) == []


ROWS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.binary(),
        st.datetimes(timezones=st.just(UTC)) | st.none(),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[0],
)


@pytest.mark.parametrize("many", [1, MANY])
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_rows=ROWS)
async def test_the_rows_are_those_of_a_plain_insert(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    given_rows: list[tuple[str, bytes, datetime | None]],
) -> None:
    monkeypatch.setattr("heliograph.database.bulk.MANY", many)
    written = []
    for plainly in (True, False):
        async with database.transaction() as session:
            assert await names(session) == []
            if plainly:
                named = [dict(zip(COLUMNS, row, strict=True)) for row in given_rows]
                await session.execute(insert(letters), named)
            else:
                await letters_rows.insert(session, given_rows)
            found = (await session.execute(select(letters).order_by(letters.c.id))).all()
            written.append([tuple(each[1:]) for each in found])
            await session.rollback()
    assert written[0] == written[1] == [(*row, 7) for row in given_rows]


@SIZES
async def test_a_broken_constraint_is_an_integrity_error(database: Database, count: int) -> None:
    async def write_twice() -> None:
        async with database.transaction() as session:
            await letters_rows.insert(session, rows(count))
            await letters_rows.insert(session, rows(count))

    with pytest.raises(IntegrityError):
        await write_twice()
    async with database.transaction() as session:
        assert await names(session) == []
        await letters_rows.insert(session, rows(count))


async def test_a_text_is_found_among_many_whatever_it_looks_like(database: Database) -> None:
    texts = ["it's", 'a "b"', "{x,y}", "[1]", "\\", "NULL", "émoji 🙂", "%_"]
    async with database.transaction() as session:
        letters_to_all = [(each, b"", None) for each in [*texts, "other"]]
        await letters_rows.insert(session, letters_to_all)
        found = await session.scalars(select(letters.c.name).where(one_of(letters.c.name, texts)))
        assert sorted(found) == sorted(texts)
        assert (
            await session.scalars(select(letters.c.id).where(one_of(letters.c.name, [])))
        ).all() == []


async def test_ids_are_found_among_many_by_a_query_that_is_made_once(database: Database) -> None:
    one, other = uuid4(), uuid4()
    query = select(boxes.c.id).where(one_of(boxes.c.id, "ids"))
    async with database.transaction() as session:
        await session.execute(insert(boxes), [{"id": one}, {"id": other}])
        for ids in ({one}, {other, uuid4()}, set[UUID]()):
            found = await session.scalars(query, {"ids": ids})
            assert set(found) == ids & {one, other}


@SIZES
async def test_a_lost_connection_is_a_database_that_is_away(postgres_url: str, count: int) -> None:
    database = Database(postgres_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(letters.metadata.create_all)

    async def write() -> None:
        async with database.transaction() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            async with database.reading() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await letters_rows.insert(session, rows(count))

    with pytest.raises(DatabaseUnavailable):
        await write()
    async with database.transaction() as session:
        await letters_rows.insert(session, rows(count))
        assert len(await names(session)) == count
    await database.close()
