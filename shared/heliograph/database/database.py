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
from typing import Any

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from heliograph.database.guard import GuardedSession
from heliograph.database.unavailable import unavailable
from heliograph.errors import DatabaseUnavailable
from heliograph.signals.collaborators import NOBODY, Collaborators

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for the writer of another process."""

IDLE_IN_TRANSACTION_MS = 15_000
"""After this PostgreSQL ends a transaction whose process stands still, and frees its locks."""

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 15.0
"""After this a connection counts as half open: nobody is at its other end."""

POOL_TIMEOUT_S = 20.0


class Session(AsyncSession):
    """A unit of work that knows on whose behalf it is done and whom its receivers may ask for."""

    sync_session_class = GuardedSession
    sync_session: GuardedSession

    def __init__(self, *, within: Collaborators = NOBODY, **options: Any) -> None:
        super().__init__(**options)
        self.within = Collaborators({AsyncSession: self, Session: self}, within)
        self.actor: str | None = None
        """Subject of the caller's token."""
        self.origin: str | None = None
        """`"batch"`, `"import"`, or None."""
        self.traceparent: str | None = None

    async def close(self) -> None:
        await super().close()
        # It holds the session: a circle, with all that the session holds, for the collector.
        self.within = NOBODY

    def announce(self, instance: object) -> None:
        """Let the next flush write this instance of a signalling model: its signals are sent."""
        self.sync_session.announced.add(instance)


Hook = Callable[[Session], Awaitable[None]]


class Database:
    """One service's database."""

    def __init__(self, url: str, *, within: Collaborators = NOBODY, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.within = within
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._before_commit: list[Hook] = []
        self._after_commit: list[Callable[[Session], None]] = []
        if self.is_sqlite:
            path = Path(self.url.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = _sqlite(url, writes=True, pool_size=1)
            self.read_engine = _sqlite(url, writes=False, pool_size=pool_size)
        else:
            self.engine = _postgresql(url, writes=True, pool_size=pool_size)
            self.read_engine = _postgresql(url, writes=False, pool_size=pool_size)
        # SQLite's writer begins every transaction by itself, for a single statement too.
        alone = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._alone = self.engine.execution_options(**alone)

    def before_commit(self, hook: Hook) -> None:
        """Run `hook` as the last thing before every commit, in its transaction."""
        self._before_commit.append(hook)

    def after_commit(self, hook: Callable[[Session], None]) -> None:
        """Call `hook` after every commit."""
        self._after_commit.append(hook)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Give a session whose work is committed once, at the end, or not at all.

        The transaction begins when the session is first used. Raises `DatabaseUnavailable`
        when the database is away; a commit whose answer was lost raises it too, although it
        may have happened.
        """
        async with unavailable(), self._session(self.engine) as session:
            yield session
            await session.flush()
            for before in self._before_commit:
                await before(session)
            await session.commit()
        for after in self._after_commit:
            after(session)

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

    def _session(self, engine: AsyncEngine) -> Session:
        return Session(bind=engine, within=self.within, expire_on_commit=False, autoflush=False)

    async def check(self) -> None:
        """Raise `DatabaseUnavailable` unless a query is answered right now."""
        async with unavailable(), self.read_engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()
        await self.read_engine.dispose()


def _postgresql(url: str, *, writes: bool, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        **({} if writes else {"isolation_level": "AUTOCOMMIT"}),
        pool_size=pool_size,
        max_overflow=pool_size if writes else 0,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_S,
            "server_settings": {
                "application_name": "heliograph",
                "default_transaction_read_only": "off" if writes else "on",
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            },
        },
    )

    @sqlalchemy_event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Any, _record: Any, args: Any, options: Any) -> Any:
        try:
            return dialect.connect(*args, **options)
        except (OSError, TimeoutError) as error:
            raise DatabaseUnavailable(f"the database cannot be reached: {error}") from error

    @sqlalchemy_event.listens_for(engine.sync_engine, "handle_error")
    def drop_silent(context: Any) -> DatabaseUnavailable | None:
        # asyncpg's deadline and a broken socket are no errors of the DBAPI. The connection may
        # still owe an answer, for which its next user would wait without a deadline.
        error = context.original_exception
        if not isinstance(error, OSError):
            return None
        context.is_disconnect = True
        return DatabaseUnavailable(f"the database does not answer: {error!r}")

    @sqlalchemy_event.listens_for(engine.sync_engine, "checkout")
    def refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
        # asyncpg sees the end of the stream at once: cheaper than a ping per checkout.
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError("the connection was closed while it was idle")

    return engine


def _sqlite(url: str, *, writes: bool, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @sqlalchemy_event.listens_for(engine.sync_engine, "connect")
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if not writes:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @sqlalchemy_event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
