"""`If-Match` and `If-None-Match`, alike wherever a tag is given."""

from collections.abc import Sequence

import httpx2
import pytest

from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    announced,
    create,
    create_category,
    is_problem,
)
from tests.pictures import png

LONG_AGO = "Wed, 01 Jan 2003 00:00:00 GMT"
LATER = "Wed, 01 Jan 2098 00:00:00 GMT"

Lines = Sequence[tuple[str, str]]


@pytest.fixture
async def things(client: httpx2.AsyncClient) -> dict[str, str]:
    """The paths of a product at version 3, of what belongs to it, and of a category."""
    category = await create_category(client)
    path = f"/v1/products/{(await create(client))['id']}"
    files = {"file": ("lamp.png", png())}
    image = (await client.post(f"{path}/images", files=files)).json()
    added = await client.put(f"{path}/categories/{category['id']}")
    assert added.headers["etag"] == '"3"'
    return {
        "product": path,
        "images": f"{path}/images",
        "image": f"{path}/images/{image['id']}",
        "file": f"/v1/images/{image['key']}",
        "categories": f"{path}/categories",
        "member": f"{path}/categories/{category['id']}",
        "category": f"/v1/categories/{category['id']}",
    }


READ = ("product", "images", "image", "file", "category")


@sqlite_suffices
async def test_several_lines_are_one_list(
    client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    for name in READ:
        tag = (await client.get(things[name])).headers["etag"]
        known: list[Lines] = [
            [("If-None-Match", '"x"'), ("If-None-Match", tag)],
            [("If-None-Match", f'W/"x", W/{tag}')],
            [("If-None-Match", tag), ("If-Modified-Since", LONG_AGO)],
        ]
        for lines in known:
            answer = await client.get(things[name], headers=list(lines))
            assert (answer.status_code, answer.headers["etag"]) == (304, tag), (name, lines)
        unknown: list[Lines] = [
            [("If-None-Match", '"x"'), ("If-None-Match", '"y"')],
            [("If-None-Match", tag.strip('"'))],
            [("If-None-Match", '"x"'), ("If-Modified-Since", LATER)],
            [("If-Modified-Since", LATER)],
        ]
        for lines in unknown:
            answer = await client.get(things[name], headers=list(lines))
            assert answer.status_code == 200, (name, lines)


@sqlite_suffices
async def test_a_change_of_what_the_client_does_not_know_is_refused(
    client: httpx2.AsyncClient, catalog: Catalog, things: dict[str, str]
) -> None:
    writes = [
        ("PATCH", "product", {"name": "Torch"}),
        ("PATCH", "category", {"name": "Torches"}),
        ("PATCH", "image", {"alt": "A torch"}),
        ("PUT", "categories", {"categories": []}),
        ("PUT", "member", None),
        ("DELETE", "member", None),
        ("DELETE", "categories", None),
        ("DELETE", "image", None),
        ("DELETE", "product", None),
        ("DELETE", "category", None),
    ]
    before = len(await announced(catalog))
    failing: list[Lines] = [
        [("If-None-Match", "*")],
        [("If-None-Match", '"x"'), ("If-None-Match", 'W/"3", W/"1"')],
        [("If-Match", '"999"'), ("If-Match", 'W/"3", W/"1"')],
        [("If-Match", "3"), ("If-Unmodified-Since", LATER)],
    ]
    for method, name, body in writes:
        for lines in failing:
            answer = await client.request(method, things[name], json=body, headers=list(lines))
            assert is_problem(answer, 412)["detail"].startswith("it has version"), (method, name)
    assert len(await announced(catalog)) == before

    for method, name, body in writes:
        thing = "product" if name not in ("category", "file") else name
        tag = (await client.get(things[thing])).headers["etag"]
        lines = [
            ("If-Match", '"999"'),
            ("If-Match", tag),
            ("If-None-Match", '"999"'),
            ("If-Unmodified-Since", LONG_AGO),
        ]
        answer = await client.request(method, things[name], json=body, headers=lines)
        assert answer.status_code in (200, 204), (method, name, answer.text)


@sqlite_suffices
async def test_what_is_not_there_is_not_found_whatever_the_precondition(
    client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    gone = things["images"] + "/019a0000-0000-7000-8000-000000000000"
    for header in ("If-Match", "If-None-Match"):
        is_problem(await client.delete(gone, headers={header: "*"}), 404)


@sqlite_suffices
async def test_an_answer_in_gzip_has_a_tag_of_its_own_that_is_as_good(
    client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    path = things["product"]
    await client.patch(path, json={"description": "Bright. " * 200})
    plain = (await client.get(path, headers={"Accept-Encoding": "identity"})).headers
    answer = (await client.get(path, headers={"Accept-Encoding": "gzip"})).headers
    head = (await client.head(path, headers={"Accept-Encoding": "gzip"})).headers
    assert (plain["etag"], answer["etag"]) == ('"4"', '"4-gzip"')
    assert "content-encoding" not in plain
    assert answer["content-encoding"] == "gzip"
    assert plain["vary"] == answer["vary"] == "Accept-Encoding"
    assert head == answer

    for coding in ("gzip", "identity"):
        for tag in (plain["etag"], answer["etag"]):
            headers = {"Accept-Encoding": coding, "If-None-Match": f'W/"1", {tag}'}
            same = await client.get(path, headers=headers)
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
            assert same.headers["vary"] == "Accept-Encoding"

    old = {"If-Match": '"3-gzip", "4-gzip-gzip", W/"4-gzip"'}
    is_problem(await client.patch(path, json={"name": "Torch"}, headers=old), 412)
    changed = await client.patch(path, json={"name": "Torch"}, headers={"If-Match": '"4-gzip"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"5-gzip"')
    again = {"If-Match": changed.headers["etag"], "Accept-Encoding": "identity"}
    changed = await client.put(f"{path}/categories", json={"categories": []}, headers=again)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"6"')


@sqlite_suffices
async def test_the_bytes_of_an_image_are_the_same_for_everybody(
    client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    answer = await client.get(things["file"], headers={"Accept-Encoding": "gzip, identity;q=0"})
    assert answer.status_code == 200
    assert {"content-encoding", "vary"}.isdisjoint(answer.headers)
    known = await client.get(things["file"], headers={"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304
    assert "vary" not in known.headers
