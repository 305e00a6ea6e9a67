"""What a consumer without our code receives of every kind of write."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pika
import pytest

from heliograph.bus import bus_from_url
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.catalog.transfer.importer import Importer
from tests.integration.heliograph.conftest import running
from tests.integration.services.catalog.conftest import KEY, PRODUCT
from tests.polling import until

pytestmark = pytest.mark.postgresql


class Audit:
    """A queue of its own, bound to everything."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.queue_declare("audit", durable=True, arguments={"x-queue-type": "quorum"})
        self._channel.queue_bind("audit", "catalog.events", "#")
        self.heard: list[tuple[dict[str, str], dict[str, Any]]] = []

    def take(self) -> int:
        """Take what has arrived; returns how many events there have been."""
        while True:
            method, properties, body = self._channel.basic_get("audit", auto_ack=True)
            if method is None:
                return len(self.heard)
            self.heard.append((properties.headers, json.loads(body)))

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
async def catalog(postgres_url: str, amqp_url: str, tmp_path: Path) -> Any:
    settings = CatalogSettings(
        database_url=postgres_url,
        bus_url=amqp_url,
        secret_key=KEY,
        image_store_url=(tmp_path / "images").as_uri(),
    )
    bus = bus_from_url(amqp_url)
    service = Catalog(settings, bus)
    await service.migrate()
    yield service
    await service.close()
    await bus.close()


@pytest.fixture
def audit(catalog: Catalog, amqp_url: str) -> Iterator[Audit]:
    assert catalog.topology.exchanges == ("catalog.events",)
    audit = Audit(amqp_url)
    yield audit
    audit.close()


async def test_relations_batches_and_imports_arrive_in_order_per_product(
    catalog: Catalog, audit: Audit, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    shelves = [
        (await client.post("/v1/categories", json={"name": name})).json()["id"]
        for name in ("Lamps", "Sale", "New")
    ]
    created = [PRODUCT | {"sku": f"B-{number}"} for number in range(30)]
    answer = await client.post("/v1/products/batch", json={"create": created})
    ids = [each["id"] for each in answer.json()["results"]]
    imported = tmp_path / "p.jsonl"
    lines = [PRODUCT | {"sku": f"B-{number}", "price": "9.99"} for number in range(20)]
    lines += [PRODUCT | {"sku": f"I-{number}"} for number in range(20)]
    imported.write_text("".join(json.dumps(each) + "\n" for each in lines))

    async with running(catalog.relay):
        for chosen in (shelves[:2], shelves[1:], []):
            puts = [
                client.put(f"/v1/products/{id_}/categories", json={"categories": chosen})
                for id_ in ids[:10]
            ]
            assert {answer.status_code for answer in await asyncio.gather(*puts)} == {200}
        tally = await Importer(catalog.database, imported).run()
        assert (tally.created, tally.updated) == (20, 20)
        batch = {
            "delete": ids[:5],
            "update": [{"id": id_, "name": "Lantern"} for id_ in ids[5:15]],
        }
        assert (await client.post("/v1/products/batch", json=batch)).status_code == 200
        wanted = 3 * 2 + 30 * 2 + 10 * (2 + 4 + 2) + 40 * 2 + 5 * 2 + 10 * 2
        await until(lambda: audit.take() >= wanted, within=30)

    assert len({headers["ce-id"] for headers, _ in audit.heard}) == wanted
    last: dict[str, str] = {}
    for headers, _ in audit.heard:
        subject, sequence = headers["ce-subject"], headers["ce-subjectsequence"]
        assert last.get(subject, "") < sequence
        last[subject] = sequence
    by_origin = Counter(
        (body["origin"], body["signal"])
        for _, body in audit.heard
        if body["sender"] == "catalog.product"
    )
    assert by_origin == {
        ("batch", "pre_save"): 40,
        ("batch", "post_save"): 40,
        ("batch", "pre_delete"): 5,
        ("batch", "post_delete"): 5,
        ("import", "pre_save"): 40,
        ("import", "post_save"): 40,
        (None, "m2m_changed"): 80,
    }
