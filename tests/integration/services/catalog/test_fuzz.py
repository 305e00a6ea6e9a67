"""Calls made up from the OpenAPI document: nothing that a client sends gets a 5xx."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok

from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from shared.bus.memory import MemoryBus
from tests.integration.services.catalog.conftest import KEY

EXAMPLES = 15
SCOPES = ["catalog:write", "catalog:read", "catalog:admin"]


@dataclass(frozen=True)
class Running:
    """A catalog behind a real server, in a thread of its own."""

    url: str
    token: str


@pytest.fixture
def running(database_url: str, tmp_path: Path) -> Iterator[Running]:
    given_settings = CatalogSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url=(tmp_path / "images").as_uri(),
        public_url="https://catalog.example",
    )
    catalog = Catalog(given_settings, MemoryBus())
    server = uvicorn.Server(uvicorn.Config(catalog.app({"api"}), log_level="warning"))

    async def serve(listener: socket.socket) -> None:
        await catalog.migrate()
        await server.serve([listener])
        await catalog.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listener)))
        thread.start()
        port = listener.getsockname()[1]
        yield Running(f"http://127.0.0.1:{port}", catalog.tokens.issue("fuzzer", SCOPES))
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()


def test_no_call_gets_a_server_error(running: Running) -> None:
    # The listener queues the first request until the catalog is migrated.
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json", wait_for_schema=20)
    headers = {"Authorization": f"Bearer {running.token}"}
    called = 0

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            answer = case.call(base_url=running.url, headers=headers, timeout=20)
            assert answer.status_code < 500, (case.as_curl_command(), answer.content)

        call()
        called += 1
    assert called > 10
