"""What receivers in the catalog's process may do, and what they are told."""

from functools import partial
from typing import Any

import httpx2
from structlog.testing import capture_logs

from heliograph import Event, Refused, m2m_changed, post_save, pre_save
from heliograph.database import Session
from services.catalog import models
from services.catalog.service import Catalog
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    announced,
    create,
    create_category,
    is_problem,
    listening,
    products,
)


def rename(event: Event[models.Product]) -> None:
    event.instance.name = "Renamed"


async def test_a_receiver_of_post_save_that_alters_the_instance_is_met_with_a_sentence(
    catalog: Catalog, client: httpx2.AsyncClient
) -> None:
    told = (
        "a receiver of post_save altered name of this Product, which is written and announced"
        " already: do that in a receiver of pre_save"
    )
    lamp = await create(client)
    with listening(post_save, rename, models.Product):
        posted = await client.post("/v1/products", json=PRODUCT | {"sku": "A-2"})
        patched = await client.patch(f"/v1/products/{lamp['id']}", json={"price": "9.99"})
        batch = {"create": [PRODUCT | {"sku": "A-3"}]}
        problem = is_problem(await client.post("/v1/products/batch", json=batch), 409)
    for each in (posted, patched):
        assert is_problem(each, 409)["detail"] == told
        assert each.json()["type"] == "urn:heliograph:problem:refused"
    [error] = problem["errors"]
    assert (error["detail"], error["pointer"]) == (told, "#/create/0")
    assert await products(catalog) == ["A-1"]
    assert len(await announced(catalog)) == 2


async def test_a_receiver_of_m2m_changed_that_alters_the_instance_is_met_with_a_sentence(
    client: httpx2.AsyncClient,
) -> None:
    def rename_after(event: Event[models.Product]) -> None:
        if event.action == "post_add":
            rename(event)

    lamp, lamps = await create(client), await create_category(client)
    with listening(m2m_changed, rename_after, models.Product):
        answer = await client.put(f"/v1/products/{lamp['id']}/categories/{lamps['id']}")
    assert "a receiver of m2m_changed altered name" in is_problem(answer, 409)["detail"]


async def test_what_receivers_of_pre_save_alter_and_those_of_post_save_read_is_fine(
    client: httpx2.AsyncClient,
) -> None:
    read: list[str] = []

    def note(event: Event[models.Product]) -> None:
        event.instance.name = str(event.instance.name)  # set, and the same
        read.append(event.instance.name)

    with (
        listening(pre_save, rename, models.Product),
        listening(post_save, note, models.Product),
    ):
        lamp = await create(client)
        patched = await client.patch(f"/v1/products/{lamp['id']}", json={"price": "9.99"})
    assert (lamp["name"], patched.json()["name"]) == ("Renamed", "Renamed")
    assert read == ["Renamed", "Renamed"]


async def test_a_receiver_that_waits_for_the_commit_hears_of_it_and_of_no_rollback(
    catalog: Catalog, client: httpx2.AsyncClient
) -> None:
    committed: list[tuple[str, list[str]]] = []

    async def index(sku: str) -> None:
        committed.append((sku, await products(catalog)))
        raise OSError("the search engine is away")

    async def index_product(event: Event[models.Product], session: Session) -> None:
        session.on_commit(partial(index, event.instance.sku))

    def refuse(event: Event[models.Product]) -> None:
        if event.instance.sku == "A-2":
            raise Refused("not this one")

    with (
        listening(post_save, index_product, models.Product),
        listening(post_save, refuse, models.Product),
        capture_logs() as lines,
    ):
        await create(client)
        is_problem(await client.post("/v1/products", json=PRODUCT | {"sku": "A-2"}), 409)
    assert committed == [("A-1", ["A-1"])]
    [failed] = [each for each in lines if each["log_level"] == "error"]
    assert failed["callback"].endswith("<locals>.index")
    assert await products(catalog) == ["A-1"]


async def test_a_receiver_of_m2m_changed_is_told_of_the_other_side(
    catalog: Catalog, client: httpx2.AsyncClient
) -> None:
    heard: list[tuple[Any, ...]] = []

    def note(event: Event[models.Product]) -> None:
        heard.append((event.action, event.field, event.reverse, event.model))

    lamp, lamps = await create(client), await create_category(client)
    with listening(m2m_changed, note, models.Product):
        await client.put(f"/v1/products/{lamp['id']}/categories/{lamps['id']}")
    assert heard == [
        ("pre_add", "categories", False, models.Category),
        ("post_add", "categories", False, models.Category),
    ]
    bodies = [each.body for each in await announced(catalog) if each.signal == "m2m_changed"]
    assert [(each["reverse"], each["model"]) for each in bodies] == 2 * [
        (False, "catalog.category")
    ]
