"""What of asyncpg is used past SQLAlchemy."""

from typing import Any

from sqlalchemy.engine import URL

CONNECT_TIMEOUT_S = 5.0

INTEGRITY_ERRORS: tuple[type[Exception], ...] = ()
"""A constraint is broken."""
SERVER_ERRORS: tuple[type[Exception], ...] = ()
"""The server refuses; their `sqlstate` says why."""
CLIENT_ERRORS: tuple[type[Exception], ...] = ()
"""The connection ended as a statement was about to begin, or is used wrongly."""

try:
    import asyncpg
except ModuleNotFoundError:
    pass  # without the extra `postgresql` nobody raises any
else:
    INTEGRITY_ERRORS = (asyncpg.IntegrityConstraintViolationError,)
    SERVER_ERRORS = (asyncpg.PostgresError,)
    CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError)


async def connect(url: URL) -> "asyncpg.Connection[Any]":
    """Open a connection outside SQLAlchemy's pools."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.connect(plain, timeout=CONNECT_TIMEOUT_S)
