"""Schema migrations: one Alembic tree a service, applied and checked by its programs."""

from pathlib import Path
from typing import Any, Literal

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData

from heliograph.database.database import Database
from heliograph.database.types import UtcDateTime
from heliograph.database.unavailable import unavailable
from heliograph.errors import SchemaNotCurrent


def run_migrations(metadata: MetaData, **options: Any) -> None:
    """Do what the calling `env.py` is for; `options` go to Alembic's `context.configure`."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,
        render_item=_render_item,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


def _render_item(_kind: str, item: object, _context: object) -> str | Literal[False]:
    # A revision outlives the code: it names no type of ours.
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


class Migrations:
    """The migrations of one service; `directory` holds its `env.py` and versions."""

    def __init__(self, service: str, directory: Path) -> None:
        self._service = service
        self._config = Config()
        self._config.set_main_option("script_location", str(directory).replace("%", "%%"))
        self._config.set_main_option("path_separator", "os")

    async def apply(self, database: Database) -> None:
        """Bring the database to the newest revision, all in one transaction.

        Two that migrate at once do so one after the other.
        """
        async with unavailable(), database.engine.begin() as connection:
            if not database.is_sqlite:
                await connection.exec_driver_sql(
                    f"SELECT pg_advisory_xact_lock(hashtext('heliograph migrate {self._service}'))"
                )
            await connection.run_sync(self._upgrade)

    def _upgrade(self, connection: Connection) -> None:
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, "head")

    async def draft(self, database: Database, message: str) -> Path:
        """Write a revision that brings the database, which is current, to the models.

        It is a draft: read it before it is committed. Returns its file.
        """
        async with database.engine.begin() as connection:
            return await connection.run_sync(self._revise, message)

    def _revise(self, connection: Connection, message: str) -> Path:
        self._config.attributes["connection"] = connection
        number = len(list(ScriptDirectory.from_config(self._config).walk_revisions())) + 1
        script = command.revision(self._config, message, autogenerate=True, rev_id=f"{number:04d}")
        if not isinstance(script, Script):
            raise TypeError("Alembic wrote no revision, or several")
        return Path(script.path)

    async def check(self, database: Database) -> None:
        """Raise `SchemaNotCurrent` unless the database is at the newest revision."""
        async with unavailable(), database.read_engine.connect() as connection:
            current = await connection.run_sync(
                lambda each: MigrationContext.configure(each).get_current_heads()
            )
        newest = ScriptDirectory.from_config(self._config).get_heads()
        if set(current) != set(newest):
            raise SchemaNotCurrent(
                f"the database of the {self._service} is not current: "
                f"run `python -m services.{self._service} migrate`"
            )
