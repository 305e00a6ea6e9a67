"""Which programs of a service are up: processes of their own, ended in every way."""

import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import MetaData, func, select, update

from heliograph.database import Database, database_now
from heliograph.programs import program_table
from heliograph.service import Service
from tests.polling import until
from tests.programs import Program, embedded, logged_errors
from tests.services import KEY, catalog, migrated, notifier

TABLE = program_table(MetaData())
NOBODY = "amqp://guest:guest@127.0.0.1:1/"


class Listing:
    """The list of a service's programs, as an operator asks its API for it."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/v1/programs"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def __call__(self) -> dict[str, Any]:
        """The programs by their roles."""
        async with httpx2.AsyncClient(headers=self._headers) as client:
            answer = await client.get(self._url)
        assert answer.status_code == 200
        return {" ".join(each["roles"]): each for each in answer.json()["items"]}

    async def of(self, *roles: str) -> dict[str, Any]:
        """Wait until it lists these programs and no others."""

        async def these() -> dict[str, Any] | None:
            found = await self()
            return found if found.keys() == set(roles) else None

        listed: dict[str, Any] = await until(these)
        return listed


async def let_pass(database: Database, time: timedelta) -> None:
    """Let every program have been silent for so long."""
    async with database.transaction() as session:
        await session.execute(update(TABLE).values(seen_at=database_now(-time.total_seconds())))


async def rows(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(TABLE)) or 0


@pytest.mark.parametrize(("make", "other"), [(catalog, "relay"), (notifier, "work")])
async def test_programs_are_listed_until_they_end_or_are_silent(
    make: Callable[[str, Path], Service], other: str, database_url: str, tmp_path: Path
) -> None:
    async with migrated(make(database_url, tmp_path)) as service:
        settings = {
            f"{service.name.upper()}_{name}": value
            for name, value in (
                ("DATABASE_URL", database_url),
                ("BUS_URL", NOBODY),
                ("SECRET_KEY", KEY),
            )
        }
        api, killed = (
            Program(tmp_path, service.package, *words, "--port", "0", settings=settings)
            for words in (("serve", "--only", "api"), (other,))
        )
        try:
            token = service.tokens.issue("operator", [f"{service.name}:admin"])
            listing = Listing(api.wait_for_url(), token)

            found = await listing.of("api", other)
            host = socket.gethostname()
            assert found["api"]["name"] == f"{host}:{api.pid}"
            assert found[other]["name"] == f"{host}:{killed.pid}"
            # The one answers without a broker, the other has nothing to do.
            assert [found[each]["ready"] for each in ("api", other)] == [True, False]
            assert all(each["why"].startswith("bus: ") for each in found.values())

            assert killed.end(signal.SIGKILL) == -signal.SIGKILL
            assert (await listing()).keys() == {"api", other}
            await let_pass(service.database, timedelta(seconds=31))
            await listing.of("api")

            assert api.end() == 0
            assert logged_errors(api) == []
            assert await rows(service.database) == 1
        finally:
            api.stop()
            killed.stop()


async def test_all_in_one_process_is_a_program_of_each_service(tmp_path: Path) -> None:
    with embedded(tmp_path) as running:
        listed = [
            await Listing(url, running.token).of(roles)
            for url, roles in (
                (running.catalog, "api relay work"),
                (running.notifier, "api work"),
            )
        ]
        assert len({each["name"] for found in listed for each in found.values()}) == 1
