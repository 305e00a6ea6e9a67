"""Which revision a database must be at, told without Alembic: programs look at every start."""

import re
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from heliograph.database.database import Database
from heliograph.database.unavailable import unavailable
from heliograph.errors import SchemaNotCurrent

_NAMED = re.compile(r'^(revision|down_revision) = "(\w+)"$', re.MULTILINE)


class Schema:
    """The schema of a service: the newest of the revisions in the directory `versions`."""

    def __init__(self, service: str, package: str, versions: Path) -> None:
        self.service = service
        self.versions = versions
        self._package = package

    def newest(self) -> frozenset[str]:
        """The revisions that no other builds on: one, unless somebody branched; none at first."""
        named = [
            each for path in self.versions.glob("*.py") for each in _NAMED.findall(path.read_text())
        ]
        return frozenset(
            revision
            for what, revision in named
            if what == "revision" and ("down_revision", revision) not in named
        )

    async def check(self, database: Database) -> None:
        """Raise `SchemaNotCurrent` unless the database is at the newest revision."""
        async with unavailable(), database.read_engine.connect() as connection:
            current = await connection.run_sync(_current)
        if current != self.newest():
            raise SchemaNotCurrent(
                f"the database of the {self.service} is not current: "
                f"run `python -m {self._package} migrate`"
            )


def _current(connection: Connection) -> frozenset[str]:
    if not inspect(connection).has_table("alembic_version"):
        return frozenset()
    return frozenset(connection.scalars(text("SELECT version_num FROM alembic_version")))
