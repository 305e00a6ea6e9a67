"""`serve` without `--only`: one process a service, here with files and a broker."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2
from sqlalchemy.engine import make_url
from yarl import URL

from chaos.faults.proxy import proxy
from heliograph.testing import SMTPServer
from tests.polling import until
from tests.programs import (
    DRAINS_WITHIN,
    STARTS_WITHIN,
    Program,
    command,
    eventually,
    logged_errors,
)
from tests.story import Shop

CATALOG, NOTIFIER = "services.catalog", "services.notifier"
BUSY_WITHIN = 30.0
"""Seconds that a busy machine may take to be rid of a process which has ended its work."""


def test_serve_does_all_that_its_service_needs(
    tmp_path: Path, amqp_url: str, smtp_server: SMTPServer
) -> None:
    settings = {
        "CATALOG_BUS_URL": amqp_url,
        "CATALOG_SECRET_KEY": "k" * 32,
        "NOTIFIER_BUS_URL": amqp_url,
        "NOTIFIER_SECRET_KEY": "k" * 32,
        "NOTIFIER_SMTP_URL": smtp_server.url,
    }
    # In this order: the notifier binds to the exchange of the catalog.
    for module in (CATALOG, NOTIFIER):
        assert command(tmp_path, module, "migrate", settings=settings).returncode == 0
    scopes = ("--scope", "catalog:write", "--scope", "notifier:admin")
    issued = command(tmp_path, CATALOG, "token", "--subject", "dev", *scopes, settings=settings)
    catalog = Program(tmp_path, CATALOG, "serve", "--port", "0", settings=settings)
    notifier = Program(tmp_path, NOTIFIER, "serve", "--port", "0", settings=settings)
    try:
        with Shop(catalog.wait_for_url(), notifier.wait_for_url(), issued.stdout.strip()) as shop:
            shop.subscribe("ann@example.com", "new_product")
            shop.create("LAMP-1", "Desk lamp", "19.99")
            eventually("an email", lambda: len(smtp_server.messages) == 1)
            for api in (shop.catalog, shop.notifier):
                assert api.get("/health/ready").json()["status"] == "ok"
            assert "relay_published_total 2.0" in shop.catalog.get("/metrics").text
        assert [catalog.end(), notifier.end()] == [0, 0]
        assert logged_errors(catalog) + logged_errors(notifier) == []
    finally:
        catalog.stop()
        notifier.stop()


async def test_a_program_ends_in_time_although_no_server_answers(
    tmp_path: Path, postgres_url: str, amqp_url: str
) -> None:
    database, broker = make_url(postgres_url), URL(amqp_url)
    async with proxy(database.port or 0) as to_database, proxy(broker.port or 0) as to_broker:
        behind = database.set(port=to_database.port)
        settings = {
            "CATALOG_DATABASE_URL": behind.render_as_string(hide_password=False),
            "CATALOG_BUS_URL": str(broker.with_port(to_broker.port)),
            "CATALOG_SECRET_KEY": "k" * 32,
        }
        migrated = await asyncio.to_thread(command, tmp_path, CATALOG, "migrate", settings=settings)
        assert migrated.returncode == 0
        catalog = Program(tmp_path, CATALOG, "serve", "--port", "0", settings=settings)
        try:
            url = await asyncio.to_thread(catalog.wait_for_url)
            async with httpx2.AsyncClient(base_url=url) as client:
                await until(partial(_is_ready, client), within=STARTS_WITHIN)
            to_database.hold()
            to_broker.hold()
            asked = datetime.now(UTC)
            catalog.send(signal.SIGTERM)
            assert await asyncio.to_thread(catalog.exit_code, BUSY_WITHIN) == 0
            log = catalog.log.read_text()
            assert "never retrieved" not in log
            # By its own clock: beside other tests the interpreter alone may take seconds to end.
            [*_, last] = (line for line in log.splitlines() if line.startswith("{"))
            ended = datetime.fromisoformat(json.loads(last)["timestamp"])
            assert (ended - asked).total_seconds() < DRAINS_WITHIN
        finally:
            catalog.stop(signal.SIGKILL)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    status: str = (await client.get("/health/ready")).json()["status"]
    return status == "ok"
