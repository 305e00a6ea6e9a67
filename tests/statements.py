"""What a database is asked to do, whichever way it is asked.

The library sends statements by SQLAlchemy, by asyncpg past it, and as COPY. No hook of either sees
all three, so on PostgreSQL they are read off the wire (its documentation, "Message Formats"). For
SQLite there is no other way than SQLAlchemy.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from chaos.faults.proxy import proxy
from heliograph.database import Database

_VERSION_3 = b"\0\3"
"""Begins the one message without a kind that is the start of a session."""
_OF_ASYNCPG = ("set_config('jit'", "typeinfo_tree")
"""What asyncpg asks by itself, once a connection, when it first meets a type."""


@asynccontextmanager
async def statements_of(database: Database) -> AsyncIterator[list[str]]:
    """Collect what the database's server gets from now on: statements, BEGINs and COMMITs too.

    One that is run for many sets of values together counts once. What prepares a connection or
    a statement does not count, but for connections behind the first of a pool.
    """
    found: list[str] = []
    engines = (database.engine, database.read_engine)
    noting = _noting_of_sqlalchemy if database.is_sqlite else _noting_of_the_wire
    async with noting(engines, found):
        for engine in engines:
            async with engine.connect():
                pass
        found.clear()
        yield found


@asynccontextmanager
async def _noting_of_sqlalchemy(
    engines: Sequence[AsyncEngine], found: list[str]
) -> AsyncIterator[None]:
    def execute(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    def commit(_connection: object) -> None:
        found.append("COMMIT")

    hooks = [
        (engine.sync_engine, *hook)
        for engine in engines
        for hook in (("before_cursor_execute", execute), ("commit", commit))
    ]
    for hook in hooks:
        sqlalchemy_event.listen(*hook)
    try:
        yield
    finally:
        for hook in hooks:
            sqlalchemy_event.remove(*hook)


@asynccontextmanager
async def _noting_of_the_wire(
    engines: Sequence[AsyncEngine], found: list[str]
) -> AsyncIterator[None]:
    url = engines[0].url
    connect = asyncpg.connect

    async def dispose() -> None:
        for engine in engines:
            await engine.dispose()

    await dispose()
    async with proxy(
        url.port or 5432, url.host or "localhost", watch=lambda: _Session(found).read
    ) as link:
        options = {"host": "127.0.0.1", "port": link.port, "ssl": False}
        try:
            with pytest.MonkeyPatch.context() as patching:
                patching.setattr(asyncpg, "connect", lambda *a, **b: connect(*a, **b | options))
                yield
        finally:
            await dispose()


class _Session:
    """What a client says in one connection to PostgreSQL."""

    def __init__(self, found: list[str]) -> None:
        self._found = found
        self._rest = b""
        self._began = False
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._executed = False

    def read(self, data: bytes) -> None:
        data = self._rest + data
        # Until the session has begun, messages have no byte that tells their kind.
        while len(data) >= (start := int(self._began)) + 4:
            end = start + int.from_bytes(data[start : start + 4])
            if len(data) < end:
                break
            kind, content = data[:start], data[start + 4 : end]
            data = data[end:]
            if self._began:
                self._note(kind, content)
            else:
                self._began = content.startswith(_VERSION_3)
        self._rest = data

    def _note(self, kind: bytes, content: bytes) -> None:
        match kind:
            case b"Q":  # a simple query; COPY too is begun by one
                self._add(content.rstrip(b"\0").decode())
            case b"P":
                name, text, _ = content.split(b"\0", 2)
                self._prepared[name] = text.decode()
            case b"B":
                _portal, name, _ = content.split(b"\0", 2)
                self._bound = self._prepared[name]
            case b"E":
                self._executed = True
            case b"S" if self._executed:  # the end of what is executed together
                self._executed = False
                self._add(self._bound)

    def _add(self, statement: str) -> None:
        if not any(each in statement for each in _OF_ASYNCPG):
            self._found.append(statement)


async def rows_read(session: AsyncSession, table: str) -> int:
    """How many rows of a table PostgreSQL has read for a session's connection.

    Those of earlier transactions too, unless a second has passed and they were reported: compare.
    """
    read = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :table"
    )
    return int((await session.scalars(read, {"table": table})).one())
