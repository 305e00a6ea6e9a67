"""Drafts a migration from what a service's models say: `python -m tools.revision catalog "…"`."""

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from heliograph.database.database import Database
from heliograph.database.migrations import Migrations


async def draft(service: str, message: str) -> Path:
    """Compare the models with a new database at the newest revision; returns the draft's file."""
    package = import_module(f"services.{service}")
    directory = Path(package.__path__[0]) / "migrations"
    (directory / "versions").mkdir(exist_ok=True)
    migrations = Migrations(service, directory)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/draft.db")
        try:
            await migrations.apply(database)
            return await migrations.draft(database, message)
        finally:
            await database.close()


def main() -> None:
    """Draft a revision and print its path."""
    match sys.argv[1:]:
        case [service, message]:
            print(asyncio.run(draft(service, message)))
        case _:
            sys.exit('usage: python -m tools.revision SERVICE "what it changes"')


if __name__ == "__main__":
    main()
