"""Databases that are away: the one place that knows how SQLAlchemy and the drivers say so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph.database.postgresql import CLIENT_ERRORS, SERVER_ERRORS
from heliograph.errors import DatabaseUnavailable, Deadlock

_AWAY = (
    "08",  # connection exception
    "40",  # transaction rollback: a deadlock, or one that could not be serialized
    "57P0",  # admin shutdown, crash shutdown, cannot connect now, database dropped
    "53",  # insufficient resources: disk, memory, connections
    "25P03",  # idle in transaction session timeout
    "55P03",  # lock timeout
)
"""How the SQLSTATE begins with which PostgreSQL says that it is away or
that the same may succeed another time."""

_DEADLOCK = "40P01"

LOST: tuple[type[Exception], ...] = (OSError, *CLIENT_ERRORS)
"""What the driver raises when a socket breaks, a deadline passes, or a connection has ended."""

_RAISED: tuple[type[Exception], ...] = (SQLAlchemyError, *SERVER_ERRORS, *CLIENT_ERRORS)
"""What comes from a database and from nothing else."""


def lost(error: BaseException) -> DatabaseUnavailable:
    """The error to raise in place of one of `LOST`."""
    return DatabaseUnavailable(f"the database cannot be reached: {error!r}")


def _away(error: BaseException) -> DatabaseUnavailable | None:
    """The error to raise in place of what a database raised; None if it is not away."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = str(getattr(cause, "sqlstate", None) or "")
    if state == _DEADLOCK:
        return Deadlock("another change of the same things was in the way: try again")
    if state.startswith(_AWAY) or (isinstance(error, DBAPIError) and _is_lost(error)):
        return DatabaseUnavailable(f"the database does not answer: {cause}")
    if isinstance(error, (PoolTimeout, DisconnectionError, *LOST)):
        return lost(error)
    return None


def _is_lost(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    said = str(error.orig)
    if isinstance(error, OperationalError):  # SQLite has no SQLSTATE
        return "locked" in said or "unable to open" in said or "disk" in said
    return isinstance(error, InterfaceError) and "connection is closed" in said


@asynccontextmanager
async def unavailable() -> AsyncIterator[None]:
    """Turn the many ways in which a database is away into `DatabaseUnavailable`.

    A deadlock becomes a `Deadlock`.
    """
    try:
        yield
    except _RAISED as error:
        # The drivers' own words pass SQLAlchemy while it sets a connection up, and where a
        # statement goes past it.
        if (told := _away(error)) is None:
            raise
        raise told from error


@asynccontextmanager
async def lent(connection: AsyncConnection) -> AsyncIterator[Any]:
    """Lend the driver's own connection, asyncpg's, for work past SQLAlchemy.

    A connection that fails is given up, for it may still owe an answer, for which its next user
    would wait; that raises `DatabaseUnavailable`.
    """
    raw = await connection.get_raw_connection()
    try:
        yield raw.driver_connection
    except LOST as error:
        await connection.invalidate(error)
        raise lost(error) from error
