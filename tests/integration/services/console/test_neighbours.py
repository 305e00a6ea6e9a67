"""The services of one process, as the console of `python -m services` asks them."""

import asyncio
from pathlib import Path

import pytest

from services.embedded import embedded


async def test_the_console_of_the_process_asks_the_others_as_one_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a machine behind a proxy, which has nothing to do with it.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    environ = {
        "CATALOG_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/catalog.db",
        "CATALOG_IMAGE_STORE_URL": (tmp_path / "images").as_uri(),
        "NOTIFIER_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/notifier.db",
        "NOTIFIER_SMTP_URL": (tmp_path / "mail").as_uri(),
        "CONSOLE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/console.db",
    }
    async with embedded("127.0.0.1", 0, environ) as house:
        assert [each.name for each in house.console.peers] == ["catalog", "notifier"]
        assert {each.bus for each in house.services} == {house.catalog.bus}
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for server in house.servers:
                tasks.create_task(server.run(stopping))
            for server in house.servers:
                await server.ready.wait()
            answers = await house.console.peers.ask(lambda each: each.get("/v1/inbox/parked"))
            stopping.set()
        assert [each.value for each in answers] == [{"items": [], "next": None}] * 2
    named = '[{"name": "census", "url": "http://census.example"}]'
    async with embedded("127.0.0.1", 0, {**environ, "CONSOLE_SERVICES": named}) as house:
        assert [each.name for each in house.console.peers] == ["census"]
