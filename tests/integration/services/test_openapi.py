"""Requests made up from the OpenAPI documents, in all phases of schemathesis.

Nothing that a client sends gets a 5xx, every answer is documented, and what fits the
description is accepted as far as a schema can say; `schemathesis.toml` says how far.
"""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn

from heliograph.service import Service, bind
from tests.services import catalog, console, notifier

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
STARTS_WITHIN_S = 30
ENDS_WITHIN_S = 300

_POSTGRESQL = pytest.mark.postgresql


EVERYWHERE = ()
# Of the catalog on SQLite, what is written for that: all else meets the stricter one only, for the
# time that it takes.
SEARCH = ("--include-path", "/v1/products")


@pytest.fixture(
    params=[
        pytest.param((catalog, "sqlite_url", SEARCH), id="catalog-sqlite"),
        pytest.param(
            (catalog, "postgres_url", EVERYWHERE), id="catalog-postgresql", marks=_POSTGRESQL
        ),
        pytest.param(
            (notifier, "postgres_url", EVERYWHERE), id="notifier-postgresql", marks=_POSTGRESQL
        ),
        pytest.param((console, "sqlite_url", EVERYWHERE), id="console-sqlite"),
    ]
)
def tried(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Service, tuple[str, ...]]:
    """A service, and the options that say which of its calls are tried."""
    make, database_url, options = request.param
    return make(request.getfixturevalue(database_url), tmp_path), options


@pytest.fixture
def service(tried: tuple[Service, tuple[str, ...]]) -> Service:
    return tried[0]


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    """Where the service answers, behind a real server in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(service.app({"api"}), log_level="warning"))

    async def serve(listener: socket.socket) -> None:
        await service.migrate()
        await server.serve([listener])
        await service.close()

    # The listener queues the first request until the database is migrated.
    with closing(bind("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listener)))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=STARTS_WITHIN_S)
    assert not thread.is_alive()


def test_every_answer_to_made_up_requests_is_as_described(
    tried: tuple[Service, tuple[str, ...]], url: str, tmp_path: Path
) -> None:
    service, options = tried
    scopes = [f"{service.name}:{each}" for each in ("read", "write", "admin")]
    token = service.tokens.issue("somebody", scopes)

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION),
            *("run", f"{url}/openapi.json", "--wait-for-schema", str(STARTS_WITHIN_S)),
            *("--phases", "examples,coverage,fuzzing,stateful", *options),
            *("--header", f"Authorization: Bearer {token}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
