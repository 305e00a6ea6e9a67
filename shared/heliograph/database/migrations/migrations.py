"""A service's migrations: one Alembic tree, applied and drafted by its programs."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from alembic import command, context
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import JSON, Connection, MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph.database.database import Database
from heliograph.database.engines import migrating_engine
from heliograph.database.guard import ALLOWED
from heliograph.database.migrations.locks import LockWait, until_alone
from heliograph.database.schema import Schema
from heliograph.database.types import UtcDateTime
from heliograph.database.unavailable import unavailable

_ALEMBIC = Path(__file__).parent / "alembic"
"""Alembic's environment, which is the same for every service."""

_FORMATTED = {
    "hooks": "format",
    "format.type": "module",
    "format.module": "ruff",
    "format.options": "format --quiet REVISION_SCRIPT_FILENAME",
}


def run_migrations() -> None:
    """Do what Alembic's `env.py` is for."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=attributes["metadata"],
        render_as_batch=True,
        # What one revision has locked is not kept while the next one works.
        transaction_per_migration=True,
        render_item=_render_item,
        **attributes["options"],
    )
    with context.begin_transaction():
        context.run_migrations()


def _render_item(_kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    # A revision outlives the code: it names no type of ours.
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    if isinstance(item, JSON) and isinstance(item.dialect_impl(dialect), JSONB):
        # Alembic writes a JSONB with its text's type, which it names and does not import.
        context.imports.add("from sqlalchemy import Text")
    return False


class Migrations:
    """The migrations of a service, which bring a database to `metadata`.

    `options` go to Alembic's
    `context.configure`, such as `include_object` for what no model describes.
    """

    def __init__(self, schema: Schema, metadata: MetaData, **options: Any) -> None:
        self._service = schema.service
        self._versions = schema.versions
        self._config = Config(attributes={"metadata": metadata, "options": options})
        self._config.set_main_option("script_location", _escaped(_ALEMBIC))
        self._config.set_main_option("version_locations", _escaped(schema.versions))
        self._config.set_main_option("path_separator", "newline")

    async def apply(self, database: Database) -> None:
        """Bring the database to the newest revision; who is second waits, and finds it done.

        On PostgreSQL each revision is a transaction, and may take any time. On SQLite all are one.
        Raises `MigrationBlocked` if others keep locks that it needs.
        """
        wait = LockWait(self._service, database)
        run = self._on_sqlite if database.is_sqlite else self._on_postgresql
        async with unavailable():
            await wait.insist(lambda: run(database, wait))

    async def _on_sqlite(self, database: Database, _wait: LockWait) -> None:
        async with database.engine.begin() as connection:
            await self._upgrade_through(connection)

    async def _on_postgresql(self, database: Database, wait: LockWait) -> None:
        engine = migrating_engine(database.url)
        try:
            async with engine.connect() as connection:
                await until_alone(connection, f"heliograph migrate {self._service}")
                pid = await connection.scalar(text("SELECT pg_backend_pid()"))
                await connection.rollback()
                await wait.watch(pid, self._upgrade_through(connection))
        finally:
            await engine.dispose()

    async def _upgrade_through(self, connection: AsyncConnection) -> None:
        # Rows are put right there as they must be; nobody is told.
        await connection.execution_options(**ALLOWED)
        await connection.run_sync(self._upgrade)

    def _upgrade(self, connection: Connection) -> None:
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, "head")

    async def draft(self, message: str) -> Path:
        """Write a revision that brings a database at the newest revision to the models.

        It is a draft, made on SQLite: read it before it is committed. Returns its file, formatted
        where ruff is installed.
        """
        self._versions.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            database = Database(f"sqlite+aiosqlite:///{folder}/draft.db")
            try:
                await self.apply(database)
                async with database.engine.begin() as connection:
                    return await connection.run_sync(self._revise, message)
            finally:
                await database.close()

    def _revise(self, connection: Connection, message: str) -> Path:
        self._config.attributes["connection"] = connection
        if find_spec("ruff") is not None:
            for option, value in _FORMATTED.items():
                self._config.set_section_option("post_write_hooks", option, value)
        number = len(list(ScriptDirectory.from_config(self._config).walk_revisions())) + 1
        script = command.revision(self._config, message, autogenerate=True, rev_id=f"{number:04d}")
        if not isinstance(script, Script):
            raise TypeError("Alembic wrote no revision, or several")
        return Path(script.path)


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
