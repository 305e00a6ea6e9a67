"""The count of statements sees each way in which the library sends them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Integer, MetaData, Table, Text, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from heliograph.database import BulkInsert, Database, driver, query_for, statement_for
from tests.statements import statements_of


class Base(DeclarativeBase):
    metadata = MetaData()


class Letter(Base):
    __tablename__ = "letter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)


TABLE: Table = Base.metadata.tables["letter"]
LETTERS = BulkInsert(TABLE, ("id", "name"))


def rows(first: int, count: int) -> list[tuple[Any, ...]]:
    return [(first + number, "Ada") for number in range(count)]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


def words(statements: list[str]) -> list[str]:
    """The first word of each statement."""
    return [each.split()[0].strip(";") for each in statements]


async def test_what_sqlalchemy_sends_is_seen(database: Database) -> None:
    async with statements_of(database) as statements:
        async with database.transaction() as session:
            session.add_all([Letter(id=1, name="Ada"), Letter(id=2, name="Bob")])
            await session.flush()
            await session.execute(update(Letter).values(name="Eve"))
        async with database.reading() as session:
            assert (await session.scalars(select(Letter.name))).all() == ["Eve", "Eve"]
    written = words(statements)
    assert written[:4] == ["BEGIN", "INSERT", "UPDATE", "COMMIT"]
    assert "SELECT" in written[4:]


async def test_rows_in_bulk_are_seen_few_or_many(database: Database) -> None:
    async with statements_of(database) as statements, database.transaction() as session:
        for first, count in ((0, 1), (1, 2), (3, 1_000)):
            await LETTERS.insert(session, rows(first, count))
    bulk = "INSERT" if database.is_sqlite else "COPY"
    assert words(statements) == ["BEGIN", "INSERT", "INSERT", bulk, "COMMIT"]


async def test_statements_that_are_compiled_once_are_seen(database: Database) -> None:
    rename = statement_for(database, update(TABLE).values(name="Eve").returning(TABLE.c.id))
    rename_each = statement_for(database, update(TABLE).values(name="Bob"))
    names = query_for(database, select(TABLE.c.name))
    async with statements_of(database) as statements:
        await rename.run()
        await rename_each.run_each([{}, {}])
        async with database.transaction() as session:
            await rename_each.run_each_in(await session.connection(), [{}, {}])
        await names.run()
    sent = [each for each in words(statements) if each not in {"BEGIN", "COMMIT"}]
    assert sent == ["UPDATE", "UPDATE", "UPDATE", "SELECT"]


async def test_what_the_driver_sends_is_seen_and_nothing_after_the_end(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with statements_of(database) as statements, driver(database.engine) as raw:
        await raw.execute("CREATE TABLE note (name text)")
        await raw.execute("INSERT INTO note VALUES ($1)", "a")
        await raw.executemany("INSERT INTO note VALUES ($1)", [("b",), ("c",)])
        await raw.copy_records_to_table("note", records=[("d",)])
        assert await raw.fetchval("SELECT count(*) FROM note") == 4
    async with driver(database.engine) as raw:
        await raw.execute("DROP TABLE note")
    await database.close()
    assert words(statements) == ["CREATE", "INSERT", "INSERT", "COPY", "SELECT"]
