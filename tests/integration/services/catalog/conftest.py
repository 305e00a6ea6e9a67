"""A catalog on an empty, migrated database, its REST API, and what waits in its outbox."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asgi_lifespan import LifespanManager
from pydantic_core import from_json
from sqlalchemy import select

from heliograph import Signal
from heliograph.bus import MemoryBus
from heliograph.testing import Announcement
from services.catalog import models
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from tests.integration.heliograph.conftest import running
from tests.services import migrated

KEY = "a key of the tests, long enough for HS256"
PRODUCT = {"sku": "A-1", "name": "Lamp", "price": "19.99", "currency": "EUR"}
MISSING = "/v1/products/019a0000-0000-7000-8000-000000000000"

Token = Callable[..., dict[str, str]]


@pytest.fixture
def image_store_url(tmp_path: Path) -> str:
    """The URL of an empty store of images."""
    return (tmp_path / "images").as_uri()


@pytest.fixture
async def catalog(database_url: str, image_store_url: str) -> AsyncIterator[Catalog]:
    settings = CatalogSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url=image_store_url,
        public_url="https://catalog.example",
    )
    async with migrated(Catalog(settings, MemoryBus())) as service:
        yield service


@pytest.fixture
def token(catalog: Catalog) -> Token:
    """Headers with a token: `token("catalog:read", subject="ann")`."""

    def headers(*scopes: str, subject: str = "user-7") -> dict[str, str]:
        return {"Authorization": f"Bearer {catalog.tokens.issue(subject, list(scopes))}"}

    return headers


@pytest.fixture
async def public(catalog: Catalog) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token."""
    async with LifespanManager(catalog.app({"api"})) as manager:
        # What a server would answer with 500 is an answer here too.
        transport = httpx2.ASGITransport(app=manager.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://catalog") as client:
            yield client


@pytest.fixture
def client(public: httpx2.AsyncClient, token: Token) -> httpx2.AsyncClient:
    """A client with the scopes `catalog:write` and `catalog:read`."""
    public.headers.update(token("catalog:write", "catalog:read"))
    return public


async def announced(catalog: Catalog) -> list[Announcement]:
    """Every event in the outbox, in the order in which it leaves."""
    async with catalog.database.reading() as session:
        rows = await session.execute(select(models.outbox).order_by(models.outbox.c.id))
        return [Announcement(row.routing_key, from_json(row.headers), row.body) for row in rows]


async def buffered(catalog: Catalog) -> None:
    """Let the views that are buffered reach the outbox: the buffer writes them when it ends."""
    async with running(catalog.buffer):
        pass


async def create(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create a product; returns its JSON."""
    answer = await client.post("/v1/products", json=PRODUCT | fields)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


async def create_category(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create a category; returns its JSON."""
    answer = await client.post("/v1/categories", json={"name": "Lamps"} | fields)
    assert answer.status_code == 201, answer.text
    category: dict[str, Any] = answer.json()
    return category


async def products(catalog: Catalog) -> list[str]:
    """The SKUs in the database."""
    async with catalog.database.reading() as session:
        return list(await session.scalars(select(models.Product.sku).order_by(models.Product.sku)))


async def stored(catalog: Catalog) -> list[str]:
    """The keys of the files in the image store."""
    files = catalog.images.keys()
    return sorted([each.key async for each in files])


def keys(image: dict[str, Any]) -> list[str]:
    """The keys of all files of an image, given as JSON."""
    return sorted([image["key"], *(each["key"] for each in image["variants"])])


@contextmanager
def listening(signal: Signal[Any], function: Callable[..., Any], sender: type) -> Iterator[None]:
    """Connect a receiver for the length of a block."""
    signal.connect(function, sender)
    try:
        yield
    finally:
        signal.disconnect(function, sender)


def is_problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """Assert that it is a problem document with this status; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem
