import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from heliograph import DatabaseUnavailable, Event, Refused, post_save, pre_save
from heliograph.database import Session
from services.catalog import models
from services.catalog.repositories.idempotency import IdempotencyRepository, KeyedRequest
from services.catalog.service import Catalog
from tests import pictures
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    Token,
    announced,
    create,
    is_problem,
    listening,
    products,
    stored,
)

KEYED = {"Idempotency-Key": "a key"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/products", PRODUCT),
    ("/v1/products/batch", {"create": [PRODUCT]}),
    ("/v1/categories", {"name": "Lamps"}),
]


def is_replay(answer: httpx2.Response) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


async def answers_kept(catalog: Catalog) -> int:
    async with catalog.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(models.StoredAnswer)) or 0


@pytest.mark.parametrize(("url", "body"), CALLS)
async def test_the_same_request_gets_the_same_answer_and_is_done_once(
    client: httpx2.AsyncClient, catalog: Catalog, url: str, body: dict[str, Any]
) -> None:
    first = await client.post(url, json=body, headers=KEYED)
    events = await announced(catalog)
    second = await client.post(url, json=body, headers=KEYED)

    assert first.is_success
    assert not is_replay(first)
    assert is_replay(second)
    assert (second.status_code, second.content) == (first.status_code, first.content)
    for name in ("content-type", "content-length", "location", "etag"):
        assert second.headers.get(name) == first.headers.get(name)
    assert await announced(catalog) == events


async def test_without_a_key_each_request_is_one_of_its_own(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    assert (await client.post("/v1/products", json=PRODUCT)).status_code == 201
    is_problem(await client.post("/v1/products", json=PRODUCT), 409)
    assert await answers_kept(catalog) == 0


async def test_a_key_does_not_stand_for_another_payload(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    answer = await client.post("/v1/products", json=PRODUCT | {"sku": "A-2"}, headers=KEYED)

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "idempotency-key"
    assert await products(catalog) == ["A-1"]


async def test_a_key_counts_per_subject_and_path(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    ann = token("catalog:write", subject="ann") | KEYED

    await client.post("/v1/products", json=PRODUCT, headers=KEYED)
    hers = await client.post("/v1/products", json=PRODUCT | {"sku": "A-2"}, headers=ann)
    category = await client.post("/v1/categories", json={"name": "Lamps"}, headers=KEYED)

    assert (hers.status_code, category.status_code) == (201, 201)
    assert not is_replay(hers)
    assert not is_replay(category)


async def test_an_upload_that_is_sent_again_adds_one_image(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    url = f"/v1/products/{(await create(client))['id']}/images"

    async def upload(data: bytes) -> httpx2.Response:
        # Each body has a boundary of its own.
        return await client.post(url, files={"file": ("lamp.png", data)}, headers=KEYED)

    first = await upload(pictures.png(64, 48))
    files = await stored(catalog)
    second = await upload(pictures.png(64, 48))
    other = await upload(pictures.png(48, 64))

    assert first.status_code == 201
    assert is_replay(second)
    assert (second.content, second.headers["location"]) == (
        first.content,
        first.headers["location"],
    )
    is_problem(other, 422)
    assert (await client.get(url)).json()["items"] == [first.json()]
    assert await stored(catalog) == files


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
@sqlite_suffices
async def test_a_key_is_a_line_of_ascii(
    client: httpx2.AsyncClient, catalog: Catalog, key: str
) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]

    answer = await client.post("/v1/products", json=PRODUCT, headers=headers)

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "idempotency-key"
    assert await products(catalog) == []


@sqlite_suffices
async def test_two_keys_are_one_too_many(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await client.post("/v1/products", json=PRODUCT, headers=headers)

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "Idempotency-Key"
    assert await products(catalog) == []


async def test_a_request_that_failed_can_be_tried_again(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    def refuse(event: Event[models.Product]) -> None:
        raise Refused("not now")

    with listening(pre_save, refuse, models.Product):
        is_problem(await client.post("/v1/products", json=PRODUCT, headers=KEYED), 409)
    is_problem(await client.post("/v1/products", json={}, headers=KEYED), 422)
    assert await answers_kept(catalog) == 0

    answer = await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    assert answer.status_code == 201
    assert not is_replay(answer)


@sqlite_suffices
async def test_a_caller_without_the_scope_gets_no_stored_answer(
    client: httpx2.AsyncClient, token: Token
) -> None:
    await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    answer = await client.post("/v1/products", json=PRODUCT, headers=KEYED | token("catalog:read"))

    is_problem(answer, 403)


async def test_a_lost_answer_of_a_commit_is_found_again(
    client: httpx2.AsyncClient, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Session.commit

    async def lose_once(session: Session) -> None:
        monkeypatch.setattr(Session, "commit", commit)
        await session.commit()
        raise DatabaseUnavailable("the connection broke after the commit")

    monkeypatch.setattr(Session, "commit", lose_once)
    is_problem(await client.post("/v1/products", json=PRODUCT, headers=KEYED), 503)

    answer = await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    assert answer.status_code == 201
    assert is_replay(answer)
    assert (await client.get(answer.headers["location"])).json() == answer.json()
    assert len(await announced(catalog)) == 2


async def test_a_request_under_way_is_not_begun_twice(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hold(event: Event[models.Product]) -> None:
        begun.set()
        await go_on.wait()

    with listening(post_save, hold, models.Product):
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            first = tasks.create_task(client.post("/v1/products", json=PRODUCT, headers=KEYED))
            await begun.wait()
            is_problem(await client.post("/v1/products", json=PRODUCT, headers=KEYED), 409)
            go_on.set()

    assert first.result().status_code == 201
    assert is_replay(await client.post("/v1/products", json=PRODUCT, headers=KEYED))
    assert len(await announced(catalog)) == 2


@pytest.mark.parametrize(
    "database_url",
    [pytest.param("postgresql", marks=pytest.mark.postgresql)],
    indirect=True,  # on SQLite a second process waits for the one writer
)
async def test_a_request_under_way_in_another_process_is_not_begun_twice(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    theirs = KeyedRequest("user-7", "POST", "/v1/products", "a key", fingerprint=b"")

    async with catalog.database.transaction() as session:
        assert await IdempotencyRepository(session).claim(theirs) is None
        answer = await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    is_problem(answer, 409)
    assert (await client.post("/v1/products", json=PRODUCT, headers=KEYED)).status_code == 201


async def test_many_at_once_are_done_once(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/products", json=PRODUCT, headers=KEYED) for _ in range(8))
    )

    assert {each.status_code for each in answers} <= {201, 409}
    assert len([each for each in answers if each.is_success and not is_replay(each)]) == 1
    assert len(await announced(catalog)) == 2


async def test_answers_are_kept_for_a_day(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    await client.post("/v1/products", json=PRODUCT, headers=KEYED)

    async def age(by: timedelta) -> None:
        async with catalog.database.transaction() as session:
            moment = datetime.now(UTC) - by
            await session.execute(update(models.StoredAnswer).values(created_at=moment))

    await age(timedelta(hours=23, minutes=59))
    assert await catalog.idempotency_keys.prune() == 0
    await age(timedelta(hours=24, minutes=1))
    assert await catalog.idempotency_keys.prune() == 1
    assert await answers_kept(catalog) == 0
