"""Connections: how they are made, how long they wait, and how a lost one is told apart."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import URL, NullPool
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from heliograph.database.postgresql import CONNECT_TIMEOUT_S
from heliograph.database.unavailable import LOST, lost
from heliograph.errors import DatabaseUnavailable
from heliograph.extras import extra

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for the writer of another process."""

IDLE_IN_TRANSACTION_MS = 15_000
"""After this PostgreSQL ends a transaction whose process stands still, and frees its locks."""

STATEMENT_TIMEOUT_S = 15.0
"""After this a connection counts as half open: nobody is at its other end."""

LOCK_TIMEOUT_MS = 1_000
"""How long a migration waits for a lock at a time: all traffic of the table waits behind it."""

POOL_TIMEOUT_S = 20.0

_JSON = partial(json.dumps, allow_nan=False)
"""PostgreSQL has no NaN in JSON, and SQLite shall not have it either."""


def postgresql_engine(url: str, *, writes: bool, pool_size: int) -> AsyncEngine:
    """A pool to PostgreSQL, half of whose connections come only when the others are busy."""
    return _postgresql_engine(
        url,
        command_timeout=STATEMENT_TIMEOUT_S,
        settings={"default_transaction_read_only": "off" if writes else "on"},
        **({} if writes else {"isolation_level": "AUTOCOMMIT"}),
        pool_size=pool_size,
        max_overflow=pool_size if writes else 0,
        pool_timeout=POOL_TIMEOUT_S,
        # A connection that was used a moment ago has most of our statements prepared.
        pool_use_lifo=True,
    )


def migrating_engine(url: URL) -> AsyncEngine:
    """Connections to migrate through: a statement may take any time, but not wait for locks long.

    Whoever uses one sees to it that its server is still there.
    """
    settings = {
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        # A server that lost us must not keep our locks for the two hours of TCP.
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }
    return _postgresql_engine(url, command_timeout=None, settings=settings, poolclass=NullPool)


def _postgresql_engine(
    url: str | URL, *, command_timeout: float | None, settings: Mapping[str, str], **options: Any
) -> AsyncEngine:
    with extra("postgresql"):
        engine = create_async_engine(
            url,
            **options,
            hide_parameters=True,
            json_serializer=_JSON,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": command_timeout,
                "server_settings": {
                    "application_name": "heliograph",
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                    **settings,
                },
            },
        )

    @sqlalchemy_event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Any, _record: Any, args: Any, options: Any) -> Any:
        try:
            return dialect.connect(*args, **options)
        except LOST as error:
            raise lost(error) from error

    @sqlalchemy_event.listens_for(engine.sync_engine, "handle_error")
    def drop_silent(context: Any) -> DatabaseUnavailable | None:
        # asyncpg's deadline and a broken socket are no errors of the DBAPI. The connection may
        # still owe an answer, for which its next user would wait without a deadline.
        if not isinstance(context.original_exception, LOST):
            return None
        context.is_disconnect = True
        return lost(context.original_exception)

    @sqlalchemy_event.listens_for(engine.sync_engine, "checkout")
    def refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
        # asyncpg sees the end of the stream at once: cheaper than a ping per checkout.
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError("the connection was closed while it was idle")

    return engine


def sqlite_engine(url: str, *, writes: bool, pool_size: int) -> AsyncEngine:
    """A pool to a SQLite file; unless it `writes` nothing can be written through it."""
    with extra("sqlite"):
        engine = create_async_engine(
            url,
            hide_parameters=True,
            json_serializer=_JSON,
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
