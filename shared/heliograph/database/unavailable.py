"""Databases that are away: the many ways of saying so, told as `DatabaseUnavailable`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from heliograph.database.postgresql import CLIENT_ERRORS, SERVER_ERRORS
from heliograph.errors import DatabaseUnavailable, Deadlock

_AWAY = (
    "08",  # connection exception
    "40",  # transaction rollback: a deadlock, or one that could not be serialized
    "57P0",  # admin shutdown, crash shutdown, cannot connect now, database dropped
    "53",  # insufficient resources: disk, memory, connections
    "25P03",  # idle in transaction session timeout
)
"""How the SQLSTATE begins with which PostgreSQL says that it is away or
that the same may succeed another time."""

_DEADLOCK = "40P01"

_UNREACHABLE: tuple[type[Exception], ...] = (PoolTimeout, DisconnectionError, *CLIENT_ERRORS)


@asynccontextmanager
async def unavailable() -> AsyncIterator[None]:
    """Turn the many ways in which a database is away into `DatabaseUnavailable`.

    A deadlock becomes a `Deadlock`.
    """
    try:
        yield
    except DBAPIError as error:
        if _sqlstate(error) == _DEADLOCK:
            raise Deadlock("another change of the same things was in the way: try again") from error
        if _is_unavailable(error):
            raise DatabaseUnavailable(f"the database does not answer: {error.orig}") from error
        raise
    # asyncpg's own words pass SQLAlchemy while it sets a new connection up, and the last when
    # a connection ends while a statement is about to begin.
    except SERVER_ERRORS as error:
        if not (getattr(error, "sqlstate", None) or "").startswith(_AWAY):
            raise
        raise DatabaseUnavailable(f"the database does not answer: {error}") from error
    except _UNREACHABLE as error:
        raise DatabaseUnavailable(f"the database cannot be reached: {error}") from error


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return None if state is None else str(state)


def _is_unavailable(error: DBAPIError) -> bool:
    """True if the error says that the database is away or busy, not that the statement is wrong."""
    if error.connection_invalidated:
        return True
    state = _sqlstate(error)
    if state is not None:
        return state.startswith(_AWAY)
    said = str(error.orig)
    if isinstance(error, OperationalError):
        return "locked" in said or "unable to open" in said or "disk" in said
    return isinstance(error, InterfaceError) and "connection is closed" in said
