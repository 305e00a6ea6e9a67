"""Services for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def migrated(service: S) -> AsyncIterator[S]:
    """Bring a service up to date, and close it at the end, also when it did not come up.

    One that stays connected to the signals hears what later tests do.
    """
    try:
        await service.migrate()
        await service.check()
        yield service
    finally:
        await service.close()
