"""What the catalog says of itself, held to what it does."""

import httpx2
import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel
from pydantic_core import from_json

import contracts
from heliograph import Signal
from heliograph.asyncapi import body_schema, header_schema
from heliograph.events import encode
from heliograph.signals import announced_signals
from services.catalog.service import Catalog
from tests import pictures, samples
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import announced, buffered, create


async def test_every_event_fits_its_schema(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    picture = {"file": ("a.png", pictures.png(8, 8))}
    first = (await client.post(f"{url}/images", files=picture)).json()
    await client.post(f"{url}/images", files=picture)
    await client.patch(url, json={"price": "14.99"})
    await client.delete(f"{url}/images/{first['id']}")
    await client.get(url)
    await buffered(catalog)
    await client.delete(url)

    described = {each.type: each for each in catalog.announces()}
    events = await announced(catalog)
    for event in events:
        each = described[event.headers["ce-type"]]
        for schema, value in (
            (body_schema(each), event.body),
            (header_schema(each), event.headers),
        ):
            Draft202012Validator(schema, validate_formats=True).validate(value)
            # What is described is all that there is.
            assert value.keys() <= schema["properties"].keys()
    kinds = {each.headers["ce-type"].removesuffix(".v1") for each in events}
    assert kinds == {"catalog.product.viewed"} | {
        f"catalog.{noun}.{signal}"
        for noun in ("product", "image")
        for signal in ("pre_save", "post_save", "pre_delete", "post_delete")
    }


def test_a_signal_of_ones_own_stands_in_the_documents() -> None:
    class Restocked(BaseModel, frozen=True):
        amount: int

    restocked = Signal("restocked", sender=contracts.Product, carries=Restocked)
    checked = Signal("checked", sender=contracts.Product)
    try:
        document = Catalog.asyncapi()
        schemas = {each.type: body_schema(each) for each in Catalog.announces()}
    finally:
        for each in (restocked, checked):
            announced_signals.remove(each)
    assert {"catalog.product.restocked", "catalog.product.checked"} <= document["channels"].keys()
    schema = Draft202012Validator(schemas["catalog.product.restocked.v1"])
    body = from_json(encode(samples.event(signal="restocked", data=Restocked(amount=3))).body)
    schema.validate(body)
    assert not schema.is_valid(body | {"data": {"amount": "many"}})
    assert not schema.is_valid({name: body[name] for name in body if name != "data"})
    assert "data" not in schemas["catalog.product.checked.v1"]["properties"]


@sqlite_suffices
async def test_the_asyncapi_document_is_served(public: httpx2.AsyncClient) -> None:
    document = (await public.get("/asyncapi.json")).json()

    assert document == Catalog.asyncapi()
    assert document["asyncapi"] == "3.0.0"
    channel = document["channels"]["catalog.product.viewed"]
    assert channel["bindings"]["amqp"]["exchange"]["name"] == "catalog.events"


@sqlite_suffices
async def test_the_page_of_the_events_is_served_with_its_style_and_no_script(
    public: httpx2.AsyncClient,
) -> None:
    answer = await public.get("/asyncapi")

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'; style-src 'self'" in answer.headers["content-security-policy"]
    assert "catalog.product.viewed.v1" in answer.text
    style = await public.get("/asyncapi/page.css")
    assert style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/products", {"get", "post"}),
        ("/v1/products/{id}", {"get", "patch", "delete"}),
        ("/v1/products/{id}/images", {"get", "post"}),
        ("/v1/products/{id}/images/{image_id}", {"get", "delete"}),
        ("/v1/products/{id}/views", {"get"}),
        ("/v1/images/{key}", {"get"}),
        ("/v1/inbox/parked", {"get"}),
    ],
)
@sqlite_suffices
async def test_the_openapi_document_tells_of_every_call(
    public: httpx2.AsyncClient, path: str, methods: set[str]
) -> None:
    document = (await public.get("/openapi.json")).json()

    assert document["paths"][path].keys() >= methods
    patch = document["paths"]["/v1/products/{id}"]["patch"]["requestBody"]["content"]
    assert patch.keys() == {"application/json", "application/merge-patch+json"}
