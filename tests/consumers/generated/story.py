"""Every kind of event that the catalog announces, as it leaves, and as a later release might."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from asgi_lifespan import LifespanManager

from heliograph.bus import MemoryBus
from heliograph.testing import Announcement
from services.catalog.repositories.categories import ProductCategories
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.catalog.transfer.importer import Importer
from tests.integration.services.catalog.conftest import announced, buffered
from tests.pictures import jpeg
from tests.services import KEY, migrated

LAMP = {"sku": "A-1", "name": "Lámpara “Sol”", "price": "19.99", "currency": "EUR"}


async def play(folder: Path) -> list[Announcement]:
    """Do all that announces something, and return every event from the outbox."""
    settings = CatalogSettings(
        database_url=f"sqlite+aiosqlite:///{folder / 'catalog.sqlite3'}",
        secret_key=KEY,
        image_store_url=(folder / "images").as_uri(),
    )
    async with migrated(Catalog(settings, MemoryBus())) as catalog:
        token = catalog.tokens.issue("user-7", ["catalog:write", "catalog:read"])
        async with (
            LifespanManager(catalog.app({"api"})) as manager,
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=manager.app),
                base_url="http://catalog.test/v1/",
                headers={"Authorization": f"Bearer {token}"},
            ) as client,
        ):
            await _change_everything(catalog, client)
        file = folder / "products.jsonl"
        file.write_text(json.dumps(LAMP | {"sku": "A-3"}) + "\n", encoding="utf-8")
        await Importer(catalog.database, file).run()
        await buffered(catalog)
        return await announced(catalog)


async def _change_everything(catalog: Catalog, client: httpx2.AsyncClient) -> None:
    async def call(method: str, path: str, **request: Any) -> Any:
        answer = await client.request(method, path, **request)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    shelf = (await call("POST", "categories", json={"name": "Shelf"}))["id"]
    sale = (await call("POST", "categories", json={"name": "Sale"}))["id"]
    await call("PATCH", f"categories/{shelf}", json={"name": "Lamps"})

    lamp = (await call("POST", "products", json=LAMP))["id"]
    await call("PATCH", f"products/{lamp}", json={"price": "14.99", "description": "Two\nlines."})
    await call("PUT", f"products/{lamp}/categories", json={"categories": [shelf, sale]})
    await call("DELETE", f"products/{lamp}/categories/{sale}")
    async with catalog.database.transaction() as session:
        products = ProductRepository(session)
        await ProductCategories(products).clear(await products.edit(UUID(lamp)))

    picture = {"file": ("lamp.jpg", jpeg(), "image/jpeg")}
    images = [
        (await call("POST", f"products/{lamp}/images", files=picture))["id"] for _ in range(2)
    ]
    await call("PATCH", f"products/{lamp}/images/{images[0]}", json={"alt": "From above"})
    await call("DELETE", f"products/{lamp}/images/{images[0]}")
    await call("GET", f"products/{lamp}")
    signed_in = client.headers.pop("Authorization")
    await call("GET", f"products/{lamp}")
    client.headers["Authorization"] = signed_in

    chair = LAMP | {"sku": "A-2", "name": "Chair", "categories": [shelf]}
    [made] = (await call("POST", "products/batch", json={"create": [chair]}))["results"]
    update = [{"id": lamp, "price": "12.50"}]
    await call("POST", "products/batch", json={"update": update, "delete": [made["id"]]})
    await call("DELETE", f"products/{lamp}")
    await call("DELETE", f"categories/{sale}")


def later(body: dict[str, Any]) -> dict[str, Any]:
    """The same event from a later release: with new fields everywhere, and values unknown today."""
    changed = body | {"later": {"fields": ["of", {"any": "kind"}]}}
    for name in ("instance", "original"):
        if snapshot := body.get(name):
            changed[name] = snapshot | {"later": 1}
            if images := snapshot.get("images"):
                changed[name]["images"] = [each | {"later": [2]} for each in images]
    if changes := body.get("changes"):
        changed["changes"] = changes | {"later": {"from": None, "to": [3], "by": "somebody"}}
    return changed | {
        name: f"{name} of a later release" for name in ("origin", "action") if name in body
    }
