"""A notifier on an empty, migrated database, its REST API, and what it is told of."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from shared.bus.memory import MemoryBus

KEY = "a key of the tests, long enough for HS256"


@pytest.fixture
async def notifier(database_url: str, tmp_path: Path) -> AsyncIterator[Notifier]:
    settings = NotifierSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url=(tmp_path / "images").as_uri(),
        smtp_url=(tmp_path / "mail").as_uri(),
        mail_from="Shop <news@shop.example>",
        public_url="https://notifier.example",
    )
    service = Notifier(settings, MemoryBus())
    await service.migrations.apply(service.database)
    yield service
    await service.close()


@pytest.fixture
async def public(notifier: Notifier) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token."""
    transport = httpx2.ASGITransport(app=notifier.app({"api"}))
    async with httpx2.AsyncClient(transport=transport, base_url="http://notifier") as client:
        yield client


@pytest.fixture
def client(notifier: Notifier, public: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A client with the scope `notifier:admin`."""
    token = notifier.tokens.issue("admin", ["notifier:admin"])
    public.headers["Authorization"] = f"Bearer {token}"
    return public
