"""Fixtures for the servers of ``tests.servers``, and a summary of who met them.

A test that uses a fixture of PostgreSQL or RabbitMQ carries the marker of that name, so
that ``-m "not rabbitmq"`` leaves it out. A fixture that asks for a server only for some of
its parameters sets the marker on those.
"""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import structlog

from heliograph import m2m_changed, post_delete, post_save, pre_delete, pre_save
from heliograph.signals.signal import Connection
from tests.servers import Unavailable
from tests.servers.postgresql import PostgreSQL, postgresql
from tests.servers.rabbitmq import RabbitMQ, rabbitmq
from tests.servers.s3 import S3, s3

pytest_plugins = ["heliograph.testing.fixtures"]

Server = TypeVar("Server")

NAMES = {"postgresql": "PostgreSQL", "rabbitmq": "RabbitMQ"}
FIXTURES = {"postgres_server": "postgresql", "rabbitmq_server": "rabbitmq"}
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


@contextmanager
def _required(server: AbstractContextManager[Server]) -> Iterator[Server]:
    """Run a server; without it the tests are skipped, or fail where ``CI`` is set."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except Unavailable as problem:
            if os.environ.get("CI"):
                pytest.fail(str(problem), pytrace=False)
            pytest.skip(str(problem))
        yield running


@pytest.fixture(autouse=True)
def _nobody_stays_connected() -> Iterator[None]:
    """A service that a test leaves open would write what later tests announce, a second time."""
    before = _outboxes()
    yield
    left = [each for each in _outboxes() if each not in before]
    assert not left, f"these outboxes are still connected, close their services: {left}"


def _outboxes() -> list[Connection]:
    signals = (pre_save, post_save, pre_delete, post_delete, m2m_changed)
    return [each for signal in signals for each in signal if each.last]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgreSQL]:
    with _required(postgresql()) as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: PostgreSQL) -> AsyncIterator[str]:
    """The URL of an empty database, dropped after the test."""
    async with postgres_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a database file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs once on each of the two."""
    url: str = request.getfixturevalue(
        {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    )
    return url


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMQ]:
    with _required(rabbitmq()) as server:
        yield server


@pytest.fixture
def amqp_url(rabbitmq_server: RabbitMQ) -> Iterator[str]:
    """The URL of an empty virtual host, deleted after the test."""
    with rabbitmq_server.vhost() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with s3() as server:
        yield server


def pytest_configure() -> None:
    # Servers are stopped by fixtures, which a plain SIGTERM would never let finish.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Programs in the background of a shell, and whom they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As structlog prints by itself, but for rich's picture of a traceback: it takes seconds.
    console = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, marker in FIXTURES.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        # Keywords hold the names of folders too.
        met = [name for name in NAMES if item.get_closest_marker(name)]
        item.user_properties.append(("servers", met))


def _servers(report: object) -> list[str]:
    properties: dict[str, list[str]] = dict(getattr(report, "user_properties", ()))
    return properties.get("servers", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for marker, name in NAMES.items():
        counts = {
            outcome: sum(marker in _servers(report) for report in reports)
            for outcome in OUTCOMES
            if (reports := terminalreporter.getreports(outcome))
        }
        met = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        terminalreporter.write_line(f"Tests on {name}: {met or 'none'}")
        if counts.get("skipped"):
            terminalreporter.write_line(
                f"NOT TESTED on {name}: {counts['skipped']} skipped, for the reasons below",
                yellow=True,
                bold=True,
            )
