"""The database: engines, sessions, and the one place that commits.

Each database has connections to write with and others that can only read. On PostgreSQL
both are pools, and a statement that reads has no transaction around it: nobody needs its
BEGIN and ROLLBACK, two round trips, for each statement sees what is committed as it
begins anyway. A SQLite file gets one writer connection, for which tasks queue in order;
a write transaction begins `IMMEDIATE`, so that it never fails halfway for a lock that it
could have waited for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
)

from heliograph.database.engines import postgresql_engine, sqlite_engine
from heliograph.database.guard import guard
from heliograph.database.session import Session
from heliograph.database.unavailable import unavailable
from heliograph.signals import NOBODY, Collaborators

Hook = Callable[[Session], Awaitable[None]]


class Database:
    """One service's database."""

    def __init__(
        self, url: str, *, collaborators: Collaborators = NOBODY, pool_size: int = 10
    ) -> None:
        self.url = make_url(url)
        self.collaborators = collaborators
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._before_commit: list[Hook] = []
        if self.is_sqlite:
            path = Path(self.url.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = sqlite_engine(url, writes=True, pool_size=1)
            self.read_engine = sqlite_engine(url, writes=False, pool_size=pool_size)
        else:
            self.engine = postgresql_engine(url, writes=True, pool_size=pool_size)
            self.read_engine = postgresql_engine(url, writes=False, pool_size=pool_size)
        guard(self.engine.sync_engine)
        # SQLite's writer begins every transaction by itself, for a single statement too.
        alone = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._alone = self.engine.execution_options(**alone)

    def before_commit(self, hook: Hook) -> None:
        """Run `hook` as the last thing before every commit, in its transaction."""
        self._before_commit.append(hook)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Give a session whose work is committed once, at the end, or not at all.

        The transaction begins when the session is first used. Raises `DatabaseUnavailable`
        when the database is away; a commit whose answer was lost raises it too, although it
        may have happened.
        """
        async with unavailable(), self._session(self.engine) as session:
            session.commits = True
            yield session
            await session.flush()
            for before in self._before_commit:
                await before(session)
            await session.commit()
            callbacks = session.take_callbacks()
        await session.call_back(callbacks)

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for one statement that is a transaction by itself.

        On PostgreSQL that is one round trip instead of three. It runs no hooks. Raises what
        `transaction` raises.
        """
        async with unavailable(), self._alone.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Give a session to read with, that can write nothing.

        Its statements are no snapshot of one moment: on PostgreSQL each sees what is
        committed as it begins.
        """
        async with unavailable(), self._session(self.read_engine) as session:
            yield session
            callbacks = session.take_callbacks()
        await session.call_back(callbacks)

    def _session(self, engine: AsyncEngine) -> Session:
        return Session(
            bind=engine,
            collaborators=self.collaborators,
            expire_on_commit=False,
            autoflush=False,
            # What is done in it later, as after the commit, would never be committed.
            close_resets_only=False,
        )

    async def check(self) -> None:
        """Raise `DatabaseUnavailable` unless a query is answered right now."""
        async with unavailable(), self.read_engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()
        await self.read_engine.dispose()
