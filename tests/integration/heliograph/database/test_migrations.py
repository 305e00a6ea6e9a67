"""Migrations of databases that are in use, large, or migrated by somebody else just now."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, inspect, make_url, text
from structlog.testing import capture_logs

from chaos.faults.proxy import proxy
from heliograph import DatabaseUnavailable, MigrationBlocked
from heliograph.database import Database, Schema, engines
from heliograph.database.migrations import Migrations, locks
from tests.databases import postgresql_alone
from tests.polling import until

INDEX = """
from heliograph.database.migrations import create_index_concurrently as create
create("ix_thing_n", "thing", ["n"])
"""

Write = Callable[..., Migrations]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE thing (id int PRIMARY KEY, n int)"))
        await session.execute(text("INSERT INTO thing VALUES (1, 1), (2, 2)"))
    yield database
    await database.close()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write revisions, each a few statements of Python; returns what applies them."""

    def revisions(*upgrades: str) -> Migrations:
        for number, upgrade in enumerate(upgrades, 1):
            body = "".join(f"    {line}\n" for line in upgrade.strip().splitlines())
            down = repr(f"{number - 1:04d}") if number > 1 else "None"
            (tmp_path / f"{number:04d}_x.py").write_text(
                "import asyncio, time\nimport sqlalchemy as sa\nfrom alembic import op\n\n"
                f'revision = "{number:04d}"\ndown_revision = {down}\n\n\n'
                f"def upgrade() -> None:\n{body}"
            )
        return Migrations(Schema("shop", "acme.shop", tmp_path), MetaData())

    return revisions


def sql(statement: str) -> str:
    return f'op.execute("{statement}")'


@asynccontextmanager
async def kept(database: Database, statement: str) -> AsyncIterator[None]:
    """Keep the locks that a statement takes until the block ends."""
    async with database.transaction() as session:
        await session.execute(text(statement))
        yield


async def indexes(database: Database) -> dict[str, bool]:
    """The indexes of the table, and whether each is complete."""
    query = text(
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
        "WHERE indrelid = 'thing'::regclass"
    )
    async with database.reading() as session:
        return dict((await session.execute(query)).all())


async def waiting(database: Database) -> bool:
    """Whether a statement waits for a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with database.reading() as session:
        return bool(await session.scalar(query))


@postgresql_alone
async def test_a_revision_may_take_longer_than_any_other_statement(
    database_url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STATEMENT_TIMEOUT_S", 0.3)
    database = Database(database_url)
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(1)"))
    await write(sql("SELECT pg_sleep(1)")).apply(database)
    await database.close()


@postgresql_alone
async def test_traffic_goes_on_beside_a_migration_that_waits_for_it(
    database: Database, write: Write
) -> None:
    migrating: asyncio.Task[None]
    slowest = 0.0

    async def traffic() -> None:
        nonlocal slowest
        while not migrating.done():
            began = asyncio.get_running_loop().time()
            async with database.transaction() as session:
                await session.execute(text("UPDATE thing SET n = n + 1 WHERE id = 2"))
            slowest = max(slowest, asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.01)

    with capture_logs() as lines:
        async with kept(database, "UPDATE thing SET n = 0 WHERE id = 1"):
            migrations = write(sql("ALTER TABLE thing ADD COLUMN m int"))
            migrating = asyncio.create_task(migrations.apply(database))
            busy = asyncio.create_task(traffic())
            await until(lambda: len(lines) >= 2)
        await migrating
        await busy
    assert slowest < 2 * engines.LOCK_TIMEOUT_MS / 1000
    assert {each["event"] for each in lines} == {"the migration waits for a lock"}
    assert re.fullmatch(
        r"pid \d+ \(heliograph, idle in transaction for \d+ s\)", lines[0]["held_by"]
    )


@postgresql_alone
async def test_a_lock_that_nobody_gives_back_ends_a_migration_with_one_line(
    database: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 1.5)
    migrations = write(
        sql("CREATE TABLE other (id int)"), sql("ALTER TABLE thing ADD COLUMN m int")
    )
    async with kept(database, "SELECT * FROM thing"):
        with pytest.raises(
            MigrationBlocked, match=r"shop is not migrated: pid \d+ \(heliograph, idle in tr"
        ) as blocked:
            await migrations.apply(database)
    assert "\n" not in str(blocked.value)
    async with database.reading() as session:
        # What does not need the lock is done, and stays so.
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
    await migrations.apply(database)


@postgresql_alone
async def test_an_index_is_built_while_its_table_is_written_to(
    database: Database, write: Write
) -> None:
    async with kept(database, "UPDATE thing SET n = 0 WHERE id = 1"):
        migrating = asyncio.create_task(write(INDEX).apply(database))
        await until(lambda: waiting(database))
        # Nobody waits behind it, as all would behind an index that is built in a transaction.
        async with asyncio.timeout(0.5), database.transaction() as session:
            await session.execute(text("INSERT INTO thing VALUES (3, 3)"))
        assert not migrating.done()
    await migrating
    assert await indexes(database) == {"thing_pkey": True, "ix_thing_n": True}


@postgresql_alone
async def test_an_index_that_was_broken_off_is_built_anew(
    database: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = write(INDEX)
    with monkeypatch.context() as impatient:
        impatient.setattr(locks, "PATIENCE_S", 1.0)
        async with kept(database, "UPDATE thing SET n = 0 WHERE id = 1"):
            with pytest.raises(MigrationBlocked):
                await migrations.apply(database)
    assert await indexes(database) == {"thing_pkey": True, "ix_thing_n": False}
    await migrations.apply(database)
    assert await indexes(database) == {"thing_pkey": True, "ix_thing_n": True}


async def test_an_index_is_replaced_by_one_of_the_same_name(
    database: Database, write: Write
) -> None:
    replace = (
        "from heliograph.database.migrations import replace_index_concurrently as replace\n"
        'replace("ix_thing_n", "thing", ["n", "id"])'
    )
    await write(INDEX, replace).apply(database)

    def columns(connection: Any) -> dict[str, list[str]]:
        found = inspect(connection).get_indexes("thing")
        return {each["name"]: each["column_names"] for each in found}

    async with database.engine.connect() as connection:
        assert await connection.run_sync(columns) == {"ix_thing_n": ["n", "id"]}


async def test_of_two_that_migrate_at_once_one_waits_and_finds_it_done(
    database_url: str, write: Write
) -> None:
    migrations = write("time.sleep(0.2)\n" + sql("CREATE TABLE once (id int)"), "time.sleep(0.2)")
    both = [Database(database_url), Database(database_url)]
    try:
        await asyncio.gather(*(migrations.apply(each) for each in both))
    finally:
        for each in both:
            await each.close()


async def test_a_sqlite_file_that_somebody_writes_to_is_waited_for(
    sqlite_url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 100)
    mine, other = Database(sqlite_url), Database(sqlite_url)
    migrations = write(sql("CREATE TABLE thing (id int)"))
    with capture_logs() as lines:
        async with kept(other, "CREATE TABLE other (id int)"):
            migrating = asyncio.create_task(migrations.apply(mine))
            await until(lambda: lines)
        await migrating
    assert lines[0]["held_by"] == "another program that writes"
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    async with kept(other, "CREATE TABLE another (id int)"):
        with pytest.raises(MigrationBlocked, match="another program that writes kept a lock"):
            await migrations.apply(mine)
    for each in (mine, other):
        await each.close()


@postgresql_alone
async def test_a_server_that_is_no_longer_seen_ends_a_migration(
    database_url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STATEMENT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(locks, "UNSEEN_S", 1.0)
    url = make_url(database_url)
    async with proxy(url.port or 0) as link:
        database = Database(url.set(port=link.port).render_as_string(hide_password=False))
        watching = Database(database_url)
        migrating = asyncio.create_task(write(sql("SELECT pg_sleep(60)")).apply(database))
        sleeps = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

        async def asleep() -> bool:
            async with watching.reading() as session:
                return bool(await session.scalar(sleeps))

        await until(asleep)
        link.hold()
        async with asyncio.timeout(20):
            with pytest.raises(DatabaseUnavailable):
                await migrating
        link.heal()
        await database.close()
        await watching.close()
