import httpx2
import pytest

from heliograph import Event, Refused, pre_save
from services.catalog import models
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    Token,
    announced,
    create,
    create_category,
    is_problem,
    listening,
)

MISSING = "019a0000-0000-7000-8000-000000000000"


async def test_a_created_category_is_answered_and_announced(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    answer = await client.post("/v1/categories", json={"name": "Desk Lämps & Co."})

    category = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == (f"https://catalog.example/v1/categories/{category['id']}")
    assert answer.headers["etag"] == '"1"'
    assert (category["name"], category["slug"]) == ("Desk Lämps & Co.", "desk-lamps-co")
    before, after = await announced(catalog)
    assert [before.key, after.key] == ["catalog.category.pre_save", "catalog.category.post_save"]
    assert after.body["instance"] == category
    assert after.headers["ce-subject"] == category["id"]


@sqlite_suffices
async def test_a_name_without_latin_letters_gets_its_id_for_a_slug(
    client: httpx2.AsyncClient,
) -> None:
    category = await create_category(client, name="照明")

    assert category["slug"] == category["id"]


async def test_a_slug_is_taken_once(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    await create_category(client, name="Lamps")
    other = await create_category(client, name="Lamps", slug="other-lamps")

    is_problem(await client.post("/v1/categories", json={"name": "LAMPS"}), 409)
    url = f"/v1/categories/{other['id']}"
    is_problem(await client.patch(url, json={"slug": "lamps"}), 409)

    assert len(await announced(catalog)) == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("name", "x" * 201),
        ("slug", ""),
        ("slug", "Lamps"),
        ("slug", "-lamps"),
        ("slug", "lamps--tall"),
        ("slug", "lamps\n"),
        ("slug", "x" * 101),
        ("slug", 7),
        ("colour", "red"),
    ],
)
@sqlite_suffices
async def test_a_wrong_field_is_pointed_to(
    client: httpx2.AsyncClient, catalog: Catalog, field: str, value: object
) -> None:
    category = await create_category(client)

    created = await client.post("/v1/categories", json={"name": "Other"} | {field: value})
    patched = await client.patch(f"/v1/categories/{category['id']}", json={field: value})

    for answer in (created, patched):
        assert is_problem(answer, 422)["errors"][0]["pointer"] == f"#/{field}"
    assert len(await announced(catalog)) == 2


async def test_categories_are_listed_page_by_page_to_anyone(
    client: httpx2.AsyncClient, public: httpx2.AsyncClient
) -> None:
    made = [await create_category(client, name=name) for name in "abc"]
    del public.headers["Authorization"]

    first = (await public.get("/v1/categories", params={"limit": 2})).json()
    second = (await public.get("/v1/categories", params={"after": first["next"]})).json()

    assert first["items"] + second["items"] == made
    assert second["next"] is None


@pytest.mark.parametrize("after", ["x", "WyJub3QgYW4gaWQiXQ", "WzFd"])
@sqlite_suffices
async def test_a_cursor_of_nothing_is_a_problem(public: httpx2.AsyncClient, after: str) -> None:
    answer = await public.get("/v1/categories", params={"after": after})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


@sqlite_suffices
async def test_a_category_is_read_and_revalidated_by_its_etag(client: httpx2.AsyncClient) -> None:
    category = await create_category(client)
    url = f"/v1/categories/{category['id']}"

    answer = await client.get(url)
    same = await client.get(url, headers={"If-None-Match": answer.headers["etag"]})

    assert answer.json() == category
    assert (same.status_code, same.content) == (304, b"")


async def test_a_patch_changes_what_it_names(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    category = await create_category(client, name="Lamps")
    url = f"/v1/categories/{category['id']}"

    answer = await client.patch(url, json={"name": "Lights"}, headers={"If-Match": '"1"'})
    again = await client.patch(url, json={"name": "Lights"})

    assert answer.headers["etag"] == again.headers["etag"] == '"2"'
    assert (answer.json()["name"], answer.json()["slug"]) == ("Lights", "lamps")
    events = await announced(catalog)
    assert len(events) == 4
    assert events[-1].body["changes"] == {"name": {"from": "Lamps", "to": "Lights"}}


async def test_if_match_lets_only_the_current_version_be_changed(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    url = f"/v1/categories/{(await create_category(client))['id']}"
    stale = {"If-Match": '"2"'}

    is_problem(await client.patch(url, json={"name": "B"}, headers=stale), 412)
    is_problem(await client.delete(url, headers=stale), 412)

    assert len(await announced(catalog)) == 2


async def test_a_category_is_deleted_when_no_product_stands_in_it(
    client: httpx2.AsyncClient,
) -> None:
    category = await create_category(client)
    product = await create(client, categories=[category["id"]])
    url = f"/v1/categories/{category['id']}"

    is_problem(await client.delete(url), 409)
    await client.delete(f"/v1/products/{product['id']}/categories/{category['id']}")
    answer = await client.delete(url)

    assert (answer.status_code, answer.content) == (204, b"")
    is_problem(await client.get(url), 404)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("id_", "status"), [(MISSING, 404), ("42", 422)])
@sqlite_suffices
async def test_a_category_that_is_not_there_is_a_problem(
    client: httpx2.AsyncClient, method: str, id_: str, status: int
) -> None:
    is_problem(await client.request(method, f"/v1/categories/{id_}", json={"name": "B"}), status)


async def test_a_refused_category_is_not_written(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    def refuse(event: Event[models.Category]) -> None:
        raise Refused("no more shelves")

    with listening(pre_save, refuse, models.Category):
        answer = await client.post("/v1/categories", json={"name": "Lamps"})

    assert is_problem(answer, 409)["detail"] == "no more shelves"
    assert await announced(catalog) == []


@sqlite_suffices
async def test_writing_categories_needs_the_scope(client: httpx2.AsyncClient, token: Token) -> None:
    url = f"/v1/categories/{(await create_category(client))['id']}"
    reader = token("catalog:read")

    for method, path in (("POST", "/v1/categories"), ("PATCH", url), ("DELETE", url)):
        is_problem(await client.request(method, path, json={"name": "B"}, headers=reader), 403)
