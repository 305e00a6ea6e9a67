"""Fixtures for pytest: `pytest_plugins = ["heliograph.testing.fixtures"]`.

Each is an empty double of what a service is given. A fixture of the same name in a `conftest.py`
takes its place.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from heliograph.bus import MemoryBus
from heliograph.storage import MemoryImageStore
from heliograph.testing.mail_server import SMTPServer, smtp


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    """A bus within the test."""
    bus = MemoryBus()
    yield bus
    await bus.close()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture
def image_store() -> MemoryImageStore:
    """A store of images without any."""
    return MemoryImageStore()


@pytest.fixture
def smtp_server() -> Iterator[SMTPServer]:
    """A mail server that has received nothing."""
    with smtp() as server:
        yield server
