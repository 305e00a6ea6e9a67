"""A console beside a catalog and a notifier at work, all on one memory bus, and its browsers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from sqlalchemy import select
from starlette.types import ASGIApp, Receive, Scope, Send

from heliograph.bus import MemoryBus
from heliograph.service import Service
from heliograph.testing import at_work, drained
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.console import peers, shelves
from services.console.peers import Peers
from services.console.repositories.sign_in import SignInRepository
from services.console.service import Console
from services.console.settings import ConsoleSettings, ServiceAddress
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.services import migrate, migrated

KEY = "a key of the tests, long enough for HS256"
CONSOLE = "http://console"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services may take their time, for the machine may be busy with others."""
    for module in (peers, shelves.parked):
        monkeypatch.setattr(module, "DEADLINE_S", 60.0)


class Wires(httpx2.AsyncBaseTransport):
    """Calls to services of this process by the names of their hosts; any other is not there."""

    def __init__(self, *services: Service) -> None:
        self._transports = {
            each.name: httpx2.ASGITransport(app=each.app({"api", "relay", "work"}))
            for each in services
        }
        self.down: dict[str, httpx2.AsyncBaseTransport | None] = {}
        """By host, what answers in its place; None for nobody."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        transport = self.down.get(request.url.host, self._transports.get(request.url.host))
        if transport is None:
            raise httpx2.ConnectError("nobody listens", request=request)
        return await transport.handle_async_request(request)


class Tells:
    """Answers some paths with JSON, and lets the service itself answer the others."""

    def __init__(self, answers: Mapping[str, object], service: Catalog | Notifier) -> None:
        self.answers = answers
        self._others: ASGIApp = service.app({"api"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in self.answers:
            await self._others(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = json.dumps(self.answers[scope["path"]]).encode()
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def browser(
    console: Console, *scopes: str, more: APIRouter | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of this console, signed in with these scopes, or not signed in without any.

    The console that it sees has `more` pages of the test's own.
    """
    app = console.app({"api"})
    if more is not None:
        assert isinstance(app, FastAPI)
        app.include_router(more)
    transport = httpx2.ASGITransport(app=app)
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with httpx2.AsyncClient(transport=transport, base_url=CONSOLE, headers=headers) as client:
        if scopes:
            async with console.database.transaction() as session:
                token = await SignInRepository(session).make_link("ada", frozenset(scopes))
            response = await client.get(f"/sign-in/{token}")
            assert response.status_code == 303
        yield client


@dataclass
class House:
    """Three services at work."""

    catalog: Catalog
    notifier: Notifier
    console: Console
    wires: Wires

    @asynccontextmanager
    async def api(self, name: str, *scopes: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client of a service's REST API, whose token has these scopes."""
        service = {"catalog": self.catalog, "notifier": self.notifier}[name]
        headers = {"Authorization": f"Bearer {service.tokens.issue('tester', scopes)}"}
        async with httpx2.AsyncClient(
            transport=self.wires, base_url=f"http://{name}", headers=headers
        ) as client:
            yield client

    @asynccontextmanager
    async def browser(self, *scopes: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client that is signed in with these scopes, or not signed in without any."""
        async with browser(self.console, *scopes) as client:
            yield client

    async def drained(self) -> None:
        """Wait until nobody has anything left to do."""
        await drained(self.catalog, self.notifier, self.console)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    """A console by itself, that nobody has told of other services."""
    settings = ConsoleSettings(
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'alone.db'}",
        secret_key=SecretStr(KEY),
        public_url=CONSOLE,
    )
    async with migrated(Console(settings, MemoryBus())) as service:
        yield service


@pytest.fixture
def smtp_url(tmp_path: Path) -> str:
    """Where the notifier's emails go."""
    return (tmp_path / "mail").as_uri()


@pytest.fixture
async def house(tmp_path: Path, smtp_url: str) -> AsyncIterator[House]:
    """The three, at work on SQLite and a memory bus; emails go to `smtp_url`."""
    bus = MemoryBus()
    images = (tmp_path / "images").as_uri()
    catalog = Catalog(
        CatalogSettings(
            database_url=f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}",
            secret_key=SecretStr(KEY),
            public_url="http://catalog",
            image_store_url=images,
        ),
        bus,
    )
    notifier = Notifier(
        NotifierSettings(
            database_url=f"sqlite+aiosqlite:///{tmp_path / 'notifier.db'}",
            secret_key=SecretStr(KEY),
            public_url="http://notifier",
            image_store_url=images,
            smtp_url=smtp_url,
            settle_seconds=0,
        ),
        bus,
    )
    wires = Wires(catalog, notifier)
    addresses = [
        ServiceAddress(
            name=each.name,
            url=f"http://{each.name}",
            token=SecretStr(
                each.tokens.issue("console", [f"{each.name}:read", f"{each.name}:admin"])
            ),
        )
        for each in (catalog, notifier)
    ]
    console = Console(
        ConsoleSettings(
            database_url=f"sqlite+aiosqlite:///{tmp_path / 'console.db'}",
            secret_key=SecretStr(KEY),
            public_url=CONSOLE,
            services=addresses,
        ),
        bus,
        peers=Peers(addresses, wires),
    )
    for each in (catalog, notifier, console):
        await migrate(each)
    async with at_work(catalog, notifier, console):
        yield House(catalog, notifier, console, wires)


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of somebody who sees and acts."""
    async with house.browser("console:admin") as client:
        yield client


@pytest.fixture
async def reader(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of somebody who only looks."""
    async with house.browser("console:read") as client:
        yield client


async def park(service: Service, count: int, **values: Any) -> list[int]:
    """Enter events as parked ones; returns their ids."""
    now = datetime.now(UTC)
    table = service.inbox.table
    common = {
        "receiver": "purge_images",
        "routing_key": "catalog.product.pre_delete",
        "headers": b'{"ce-id": "x"}',
        "body": b'{"email": "ada@example.org"}',
        "state": "parked",
        "attempts": 8,
        "due_at": now,
        "received_at": now,
        **values,
    }
    async with service.database.transaction() as session:
        rows = [
            {"event_id": str(UUID(int=i)), "subject": f"s-{i}", "reason": f"no store {i}", **common}
            for i in range(count)
        ]
        await session.execute(table.insert(), rows)
        return list(await session.scalars(select(table.c.id).order_by(table.c.id)))
