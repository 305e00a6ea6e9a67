"""Services for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from heliograph.service import Service

S = TypeVar("S", bound=Service)


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
