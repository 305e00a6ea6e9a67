"""Schema migrations: one Alembic tree a service, applied and checked by its programs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from shared.database import Database, unavailable
from shared.errors import SchemaNotCurrent


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
