"""Every event of a product's life fits what releases promised, as another library reads it.

The gate's own is young, and compares schemas with schemas only.
"""

import httpx2
from jsonschema_rs import Draft202012Validator

from heliograph.testing import Announcement
from services.catalog.service import Catalog
from tests import pictures
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    announced,
    buffered,
    create,
    create_category,
)
from tools.contract_gate import HEADERS, ROOT, Documents, consumers, releases, today


async def live(client: httpx2.AsyncClient) -> None:
    """All that can happen to a product, to its images and to a category."""
    category = await create_category(client)
    other = await create_category(client, name="Lights")
    shelf = f"/v1/categories/{category['id']}"
    product = await create(client, categories=[category["id"]])
    url = f"/v1/products/{product['id']}"
    picture = {"file": ("a.png", pictures.png(8, 8))}
    first = (await client.post(f"{url}/images", files=picture)).json()
    second = await client.post(f"{url}/images", files=picture)
    stranger = client.build_request("GET", url)
    del stranger.headers["Authorization"]
    batch = {
        "create": [PRODUCT | {"sku": "B-1"}],
        "update": [{"id": product["id"], "name": "Torch"}],
    }
    answers = [
        second,
        await client.post("/v1/products/batch", json=batch),
        await client.patch(shelf, json={"name": "Lamps and more"}),
        await client.patch(url, json={"price": "14.99", "description": "Gives light."}),
        await client.put(f"{url}/categories/{other['id']}"),
        await client.delete(f"{url}/categories/{category['id']}"),
        await client.put(f"{url}/categories", json={"categories": []}),
        await client.delete(shelf),
        await client.delete(f"{url}/images/{first['id']}"),
        await client.get(url),
        await client.send(stranger),
        await client.delete(url),
    ]
    assert [each.status_code for each in answers if each.is_error] == []


def assert_each_fits(events: list[Announcement], documents: Documents, folder: str) -> set[str]:
    """Assert it of body and headers; returns the types that there is a schema for."""
    validators = {
        path.removeprefix(folder).removesuffix(".json"): Draft202012Validator(
            schema, validate_formats=True
        )
        for path, schema in documents.items()
        if path.startswith(folder)
    }
    for event in events:
        type_ = event.headers["ce-type"]
        for name, content in ((type_, event.body), (f"{type_}{HEADERS}", event.headers)):
            if name in validators:
                validators[name].validate(content)
    return {name.removesuffix(HEADERS) for name in validators}


async def test_every_event_fits_what_releases_promised_and_strangers_expect(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    await live(client)
    await buffered(catalog)
    events = await announced(catalog)
    told = {each.headers["ce-type"] for each in events}

    for documents in (today(), *releases(ROOT).values()):
        assert assert_each_fits(events, documents, "schemas/") == told
    for documents in consumers(ROOT).values():
        assert assert_each_fits(events, documents, "") <= told
