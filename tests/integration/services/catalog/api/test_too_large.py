"""Changes that no event can announce, for it would be too large."""

import json
from pathlib import Path

import httpx2
import pytest

from heliograph.events import encoding
from services.catalog.service import Catalog
from services.catalog.transfer.importer import Importer
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    announced,
    create,
    is_problem,
    products,
)

AS_PROMISED = encoding.MAX_BODY_BYTES
MOST = 3_000
LONG = "x" * MOST


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if events were small: the catalog's own fields do not fill two mebibytes."""
    monkeypatch.setattr(encoding, "MAX_BODY_BYTES", MOST)


def test_an_event_has_at_most_two_mebibytes() -> None:
    assert AS_PROMISED == 2 * 1024 * 1024


async def test_a_change_whose_event_would_be_too_large_is_undone_and_says_so(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp = await create(client)
    events = len(await announced(catalog))
    changed = await client.patch(f"/v1/products/{lamp['id']}", json={"description": LONG})
    created = await client.post("/v1/products", json=PRODUCT | {"sku": "B", "description": LONG})

    problem = is_problem(changed, 422)
    assert problem["type"] == "urn:heliograph:problem:event-too-large"
    assert lamp["id"] in problem["detail"]
    assert f"{MOST:,}" in problem["detail"]
    assert is_problem(created, 422)["type"] == problem["type"]
    assert (await client.get(f"/v1/products/{lamp['id']}")).json() == lamp
    assert await products(catalog) == [PRODUCT["sku"]]
    assert len(await announced(catalog)) == events


async def test_of_a_batch_the_problem_names_the_change(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp = await create(client)
    batch = {
        "create": [PRODUCT | {"sku": "B"}, PRODUCT | {"sku": "C", "description": LONG}],
        "update": [{"id": lamp["id"], "name": "Torch"}],
    }
    answer = is_problem(await client.post("/v1/products/batch", json=batch), 422)
    assert answer["type"] == "urn:heliograph:problem:event-too-large"
    assert [each["pointer"] for each in answer["errors"]] == ["#/create/1"]
    assert await products(catalog) == [PRODUCT["sku"]]


async def test_of_an_import_the_record_is_rejected_and_the_others_are_imported(
    client: httpx2.AsyncClient, catalog: Catalog, tmp_path: Path
) -> None:
    records = [
        PRODUCT | {"sku": sku, "description": description}
        for sku, description in (("A", ""), ("B", LONG), ("C", ""))
    ]
    path = tmp_path / "products.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    tally = await Importer(catalog.database, path).run()
    assert (tally.created, tally.rejected) == (2, 1)
    assert await products(catalog) == ["A", "C"]
    assert len(await announced(catalog)) == 4
    [rejected] = path.with_name(path.name + ".rejects.jsonl").read_text().splitlines()
    assert f"{MOST:,} are the most" in json.loads(rejected)["reason"]


async def test_a_view_that_is_too_large_is_dropped_and_the_product_is_read(
    client: httpx2.AsyncClient, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp = await create(client)
    monkeypatch.setattr(encoding, "MAX_BODY_BYTES", 1)
    assert (await client.get(f"/v1/products/{lamp['id']}")).status_code == 200
    assert await catalog.buffer.unfinished() == []
