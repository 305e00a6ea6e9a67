"""Services for tests."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

from heliograph.bus import Bus, MemoryBus
from heliograph.service import Service
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.console.service import Console
from services.console.settings import ConsoleSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings

KEY = "a key of the tests, long enough for HS256"

S = TypeVar("S", bound=Service)


def catalog(database_url: str, folder: Path, bus: Bus | None = None) -> Service:
    """A catalog on that database, whose files lie in the folder."""
    settings = CatalogSettings(
        database_url=database_url, secret_key=KEY, image_store_url=(folder / "images").as_uri()
    )
    return Catalog(settings, bus or MemoryBus())


def notifier(database_url: str, folder: Path, bus: Bus | None = None) -> Service:
    """A notifier on that database, whose files and emails lie in the folder."""
    settings = NotifierSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url=(folder / "images").as_uri(),
        smtp_url=(folder / "mail").as_uri(),
    )
    return Notifier(settings, bus or MemoryBus())


def console(database_url: str, folder: Path) -> Service:
    """A console on that database, that nobody has told of other services."""
    return Console(ConsoleSettings(database_url=database_url, secret_key=KEY), MemoryBus())


_MIGRATED: dict[type[Service], bytes] = {}
"""By service, a SQLite file that its migrations made."""


async def migrate(service: Service) -> None:
    """Migrate a service; a new SQLite file is a copy of the first that was made."""
    path = Path(service.database.url.database or "")
    copied = service.database.is_sqlite and not path.exists()  # noqa: ASYNC240 - nothing waits
    if copied and (made := _MIGRATED.get(type(service))) is not None:
        path.write_bytes(made)  # noqa: ASYNC240 - nothing waits
    await service.migrate()
    if copied and type(service) not in _MIGRATED:
        with closing(sqlite3.connect(path)) as database:
            _MIGRATED[type(service)] = database.serialize()


@asynccontextmanager
async def migrated(service: S) -> AsyncIterator[S]:
    """Bring a service up to date, and close it at the end, also when it did not come up.

    One that stays connected to the signals hears what later tests do.
    """
    try:
        await migrate(service)
        await service.check()
        yield service
    finally:
        await service.close()
