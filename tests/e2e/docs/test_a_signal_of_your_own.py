"""The README's signal of one's own, from the catalog to another service and to a stranger."""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pika
import pytest

from heliograph.bus import Bus, MemoryBus
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.events import new_id
from heliograph.signals import announced_signals, queued_receivers
from heliograph.testing import announced, at_work, drained
from services.catalog import models
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.buses import until
from tests.readme import ROOT, section

KEY = "a key of the tests, long enough for HS256"

BATCH = """

@receiver(restocked, sender=contracts.Product, batch=10)
async def count_pieces(events: Sequence[Event[contracts.Product, Restocked]]) -> None:
    for event in events:
        print(f"{event.data.amount} counted")
"""


class Depot(Notifier):
    """A second service, whose receivers are the README's, and one that takes batches."""

    name: ClassVar[str] = "depot"
    package: ClassVar[str] = "depot"


@pytest.fixture
def depot_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The README's code, as the module `depot.receivers`."""
    package = tmp_path / "depot"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "migrations").symlink_to(ROOT / "services/notifier/migrations")
    code = section("A signal of your own").replace(
        "from uuid", "from collections.abc import Sequence\nfrom uuid", 1
    )
    (package / "receivers.py").write_text(code + BATCH)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("depot.receivers")
    yield module
    announced_signals.remove(module.restocked)
    for each in queued_receivers.of("depot"):
        for kind in each.listens:
            queued_receivers.remove(kind, key=each.function)
    for name in ("depot", "depot.receivers"):
        del sys.modules[name]


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus, str | None]]:
    """A bus for each of two services, and the broker's URL, if there is one."""
    if request.param == "memory":
        memory = MemoryBus()
        yield memory, memory, None
        await memory.close()
        return
    url: str = request.getfixturevalue("amqp_url")
    first, second = RabbitBus(url), RabbitBus(url)
    yield first, second, url
    await first.close()
    await second.close()


class Stranger:
    """A consumer that has pika and none of our code."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        arguments = {"x-queue-type": "quorum"}
        self._channel.queue_declare("stock-watch", durable=True, arguments=arguments)
        self._channel.queue_bind("stock-watch", "catalog.events", "catalog.product.restocked")

    def read(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Headers and body of the next event, if it is there."""
        method, properties, body = self._channel.basic_get("stock-watch", auto_ack=True)
        return None if method is None else (properties.headers, json.loads(body))

    def close(self) -> None:
        self._connection.close()


async def test_it_reaches_a_second_service_and_a_stranger(
    depot_module: ModuleType,
    both: tuple[Bus, Bus, str | None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, broker = both
    store = (tmp_path / "images").as_uri()
    catalog = Catalog(
        CatalogSettings(
            database_url=f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite3'}",
            secret_key=KEY,
            image_store_url=store,
        ),
        first,
    )
    depot = Depot(
        NotifierSettings(
            database_url=f"sqlite+aiosqlite:///{tmp_path / 'depot.sqlite3'}",
            secret_key=KEY,
            image_store_url=store,
            smtp_url=(tmp_path / "mail").as_uri(),
        ),
        second,
    )
    lamp = models.Product(
        id=new_id(), sku="A-1", name="Lamp", description="", price_minor=1999, currency="EUR",
        images=[], categories=[],
    )  # fmt: skip
    async with at_work(catalog, depot):
        stranger = await asyncio.to_thread(Stranger, broker) if broker else None
        with announced(catalog.outbox) as events:
            async with catalog.database.transaction() as session:
                await ProductRepository(session).save(lamp)
            async with catalog.database.transaction() as session:
                await depot_module.restock(ProductRepository(session), lamp.id, 3)
        said = ""

        def both_have_it() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return "Lamp: 3 more" in said and "3 counted" in said

        await until(both_have_it)
        if stranger is not None:
            try:
                headers, body = await until(lambda: asyncio.to_thread(stranger.read))
            finally:
                await asyncio.to_thread(stranger.close)
            assert headers["ce-type"] == "catalog.product.restocked.v1"
            assert body["data"] == {"amount": 3}
            assert body["instance"]["name"] == "Lamp"
        await drained(catalog, depot)
    assert [each.key for each in events][-1] == "catalog.product.restocked"
    assert said.count("3 more") == said.count("3 counted") == 1
