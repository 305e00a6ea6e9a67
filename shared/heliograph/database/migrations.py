"""Schema migrations: one Alembic tree a service, applied and checked by its programs."""

import tempfile
from importlib.util import find_spec
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
        render_item=_render_item,
        **attributes["options"],
    )
    with context.begin_transaction():
        context.run_migrations()


def _render_item(_kind: str, item: object, _context: object) -> str | Literal[False]:
    # A revision outlives the code: it names no type of ours.
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


class Migrations:
    """The migrations of a service, which bring a database to `metadata`.

    `versions` is the directory of its revisions. `options` go to Alembic's
    `context.configure`, such as `include_object` for what no model describes.
    """

    def __init__(
        self, service: str, package: str, versions: Path, metadata: MetaData, **options: Any
    ) -> None:
        self._service = service
        self._package = package
        self._versions = versions
        self._config = Config(attributes={"metadata": metadata, "options": options})
        self._config.set_main_option("script_location", _escaped(_ALEMBIC))
        self._config.set_main_option("version_locations", _escaped(versions))
        self._config.set_main_option("path_separator", "newline")

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
                f"run `python -m {self._package} migrate`"
            )


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
