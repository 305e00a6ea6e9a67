"""Products in the console: pictures, history, views."""

from io import BytesIO
from uuid import uuid4

import httpx2
import pytest
from PIL import Image
from sqlalchemy import update

from services.console.models import HeardEvent
from tests.integration.services.console.conftest import House, Tells

LAMP = {"sku": "A-1", "name": "Lamp <b>", "price": "19.99", "currency": "EUR"}


async def made(house: House) -> str:
    """Make a product with a picture, and lower its price; returns its id."""
    picture = BytesIO()
    Image.new("RGB", (20, 10)).save(picture, "PNG")
    async with house.api("catalog", "catalog:write") as catalog:
        product = (await catalog.post("/v1/products", json=LAMP)).json()
        path = f"/v1/products/{product['id']}"
        files = {"file": ("a.png", picture.getvalue(), "image/png")}
        assert (await catalog.post(f"{path}/images", files=files)).status_code == 201
        assert (await catalog.patch(path, json={"price": "14.99"})).status_code == 200
    await house.drained()
    return str(product["id"])


async def test_a_product_shows_its_pictures_and_its_history(
    house: House, admin: httpx2.AsyncClient
) -> None:
    made_id = await made(house)
    page = await admin.get(f"/products/{made_id}")
    assert page.status_code == 200
    assert "Lamp &lt;b&gt;" in page.text
    assert "14.99" in page.text
    assert page.text.index("14.99 EUR") < page.text.index("created")
    _, _, rest = page.text.partition('<img src="')
    picture = await admin.get(rest.partition('"')[0])
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_who_only_looks_sees_no_address(
    house: House, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    lamp = LAMP | {"name": "Lamp of ada@example.org", "description": "Ask bob@example.org."}
    async with house.api("catalog", "catalog:write") as catalog:
        made_id = (await catalog.post("/v1/products", json=lamp)).json()["id"]
        renamed = {"name": "Lamp of eve@example.org"}
        assert (await catalog.patch(f"/v1/products/{made_id}", json=renamed)).status_code == 200
    await house.drained()
    async with house.console.database.transaction() as session:
        await session.execute(update(HeardEvent).values(actor="ann@example.org"))
    for path, names in (
        (f"/products/{made_id}", ("ada", "ann", "bob", "eve")),
        ("/products", ("eve",)),
    ):
        in_full = (await admin.get(path)).text
        masked = (await reader.get(path)).text
        for each in names:
            assert f"{each}@example.org" in in_full
            assert f"{each}@example.org" not in masked
            assert f"{each[0]}…@example.org" in masked


async def test_looking_at_a_product_is_no_view(house: House, admin: httpx2.AsyncClient) -> None:
    made_id = await made(house)
    await admin.get(f"/products/{made_id}")
    await admin.get("/products")
    await house.drained()
    async with house.api("catalog", "catalog:read") as catalog:
        views = (await catalog.get(f"/v1/products/{made_id}/views")).json()
    assert views["count"] == 0


async def test_products_are_found_by_name(house: House, admin: httpx2.AsyncClient) -> None:
    made_id = await made(house)
    assert f"/products/{made_id}" in (await admin.get("/products", params={"q": "lamp"})).text
    assert "No product is found" in (await admin.get("/products", params={"q": "chair"})).text


async def test_a_deleted_product_keeps_its_history(house: House, admin: httpx2.AsyncClient) -> None:
    made_id = await made(house)
    async with house.api("catalog", "catalog:write") as catalog:
        assert (await catalog.delete(f"/v1/products/{made_id}")).status_code == 204
    await house.drained()
    page = await admin.get(f"/products/{made_id}")
    assert page.status_code == 200
    assert "Deleted, as its events say" in page.text
    assert "discarded" not in page.text


async def test_a_product_that_nobody_knows_is_a_page(
    house: House, admin: httpx2.AsyncClient
) -> None:
    page = await admin.get(f"/products/{uuid4()}")
    assert page.status_code == 404
    assert "Nobody knows this product" in page.text


async def test_without_the_catalog_the_history_is_there(
    house: House, admin: httpx2.AsyncClient
) -> None:
    made_id = await made(house)
    house.wires.down["catalog"] = None
    page = await admin.get(f"/products/{made_id}")
    assert page.status_code == 200
    assert "14.99 EUR" in page.text
    assert "The part of <strong>catalog</strong> is missing" in page.text


@pytest.mark.parametrize("answer", [[], {}, {"items": [{"id": 1}], "days": [{"day": "today"}]}])
async def test_what_a_catalog_tells_in_another_way_is_missing(
    house: House, admin: httpx2.AsyncClient, answer: object
) -> None:
    made_id = await made(house)
    path = f"/v1/products/{made_id}"
    answers = dict.fromkeys(("/v1/products", f"{path}/views/days", f"{path}/images"), answer)
    house.wires.down["catalog"] = httpx2.ASGITransport(app=Tells(answers, house.catalog))
    for shown in ("/products", f"/products/{made_id}"):
        page = await admin.get(shown)
        assert page.status_code == 200
        assert "catalog</strong> is missing: its answer is not understood" in page.text


async def test_only_pictures_are_passed_on(house: House, admin: httpx2.AsyncClient) -> None:
    for path in (
        "/pictures/catalog/%2e%2e/%2e%2e/health/ready",
        "/pictures/nobody/a",
        "/pictures/catalog/x",
    ):
        assert (await admin.get(path)).status_code == 404
    async with house.browser() as stranger:
        response = await stranger.get("/pictures/catalog/x")
    assert response.headers["location"].startswith("/sign-in")
