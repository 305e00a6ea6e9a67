"""PostgreSQL: a database of its own for every test."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy import URL, make_url

from tests.servers.postgresql_cluster import Cluster, find_binaries

SETTING = "TEST_DATABASE_URL"
DRIVER = "postgresql+asyncpg"


class PostgreSQL:
    """A server on which databases come and go; its user may create them."""

    def __init__(self, url: str, cluster: Cluster | None = None) -> None:
        self._url: URL = make_url(url).set(drivername=DRIVER)
        self._templates: dict[str, str] = {}
        self.cluster = cluster
        """The private cluster, for tests that stop or kill it; None for a server given by
        ``TEST_DATABASE_URL``."""

    @asynccontextmanager
    async def database(self, template: str | None = None) -> AsyncIterator[str]:
        """Create a database, yield its ``postgresql+asyncpg`` URL, then drop it.

        It is empty, or a copy of ``template`` (a name that ``template()`` returned).
        """
        name = await self._create(template or "template0")
        try:
            yield self._url_of(name)
        finally:
            await self._drop(name)

    async def template(self, key: str, migrate: Callable[[str], Awaitable[None]]) -> str:
        """Return the database that ``migrate`` filled for ``key``, once a session.

        ``migrate`` takes the URL and must leave no connection open: PostgreSQL copies only
        a database that nobody uses.
        """
        if key not in self._templates:
            name = await self._create("template0")
            await migrate(self._url_of(name))
            self._templates[key] = name
        return self._templates[key]

    async def forget_templates(self) -> None:
        for name in self._templates.values():
            await self._drop(name)
        self._templates.clear()

    async def _create(self, template: str) -> str:
        name = f"heliograph_test_{uuid.uuid4().hex}"
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    async def _drop(self, name: str) -> None:
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        url = self._url.set(drivername="postgresql")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Run with the server of ``TEST_DATABASE_URL``, else with a private one.

    Raises:
        Unavailable: there are no binaries, or the server does not come up.
    """
    if url := os.environ.get(SETTING):
        server = PostgreSQL(url)
        try:
            yield server
        finally:
            asyncio.run(server.forget_templates())
        return
    with Cluster.private(find_binaries()) as cluster:
        yield PostgreSQL(cluster.url, cluster)


def describe() -> str:
    """Say in a few words where PostgreSQL will come from.

    Raises:
        Unavailable: from nowhere.
    """
    if os.environ.get(SETTING):
        return f"the server of {SETTING}"
    return f"a private server, {find_binaries()}"
