import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from heliograph import Event, Refused, Signal, m2m_changed, post_save, pre_delete, pre_save
from heliograph.database import Session
from services.catalog import models
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    PRODUCT,
    Token,
    announced,
    create,
    create_category,
    is_problem,
    listening,
    products,
)
from tests.pictures import png
from tests.statements import statements_of

URL = "/v1/products/batch"
MISSING = "019a0000-0000-7000-8000-000000000000"


def new(sku: str, **fields: Any) -> dict[str, Any]:
    return PRODUCT | {"sku": sku} | fields


def errors(answer: httpx2.Response, status: int) -> dict[str, str]:
    """The types, or else the details, of a problem's errors by their pointers."""
    return {
        each["pointer"]: each.get("type", each["detail"]).rpartition(":")[2]
        for each in is_problem(answer, status)["errors"]
    }


async def test_a_batch_deletes_updates_and_creates_in_one_go(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    old, kept, same = [await create(client, sku=sku) for sku in ("old", "kept", "same")]
    before = len(await announced(catalog))

    answer = await client.post(
        URL,
        json={
            "create": [new("old", name="New"), new("kept"), new("B-1")],
            "update": [
                {"id": kept["id"], "version": 1, "sku": "moved", "price": "5.00"},
                {"id": same["id"], "name": "Lamp"},
            ],
            "delete": [old["id"]],
        },
    )

    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [(each["op"], each["index"], each["version"]) for each in results] == [
        ("delete", 0, 2),
        ("update", 0, 2),
        ("update", 1, 1),
        ("create", 0, 1),
        ("create", 1, 1),
        ("create", 2, 1),
    ]
    assert [each["id"] for each in results[:3]] == [old["id"], kept["id"], same["id"]]
    assert await products(catalog) == ["B-1", "kept", "moved", "old", "same"]
    created = (await client.get(f"/v1/products/{results[3]['id']}")).json()
    assert (created["sku"], created["name"]) == ("old", "New")
    events = (await announced(catalog))[before:]
    told: dict[str, list[str]] = {}
    for each in events:
        told.setdefault(each.headers["ce-subject"], []).append(each.signal)
        assert (each.body["origin"], each.body["actor"]) == ("batch", "user-7")
    saves = ["pre_save", "post_save"]
    assert told == {old["id"]: ["pre_delete", "post_delete"], kept["id"]: saves} | {
        each["id"]: saves for each in results[3:]
    }
    assert {each.headers["traceparent"] for each in events[:1]} == {
        each.headers["traceparent"] for each in events
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_a_sku_may_go_from_one_to_the_next(
    client: httpx2.AsyncClient, catalog: Catalog, order: tuple[int, int, int]
) -> None:
    """Whichever of them was created first."""
    made = [await create(client, sku=f"S-{number}") for number in range(3)]
    chain = [made[place]["id"] for place in order]
    moved = {chain[0]: "S-fresh", chain[1]: made[order[0]]["sku"], chain[2]: made[order[1]]["sku"]}
    before = len(await announced(catalog))

    update = [{"id": key, "sku": sku, "price": "7.00"} for key, sku in moved.items()]
    create_one = [new(made[order[2]]["sku"])]
    answer = await client.post(URL, json={"update": update, "create": create_one})

    assert answer.status_code == 200, answer.text
    for key, sku in moved.items():
        stands = (await client.get(f"/v1/products/{key}")).json()
        assert (stands["sku"], stands["price"], stands["version"]) == (sku, "7.00", 2)
    assert len((await announced(catalog))[before:]) == 2 * 4


async def test_a_swap_of_skus_is_a_conflict_that_names_them(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    one, other = [await create(client, sku=sku) for sku in ("one", "other")]
    before = len(await announced(catalog))

    swap = [{"id": one["id"], "sku": "other"}, {"id": other["id"], "sku": "one"}]
    answer = await client.post(URL, json={"update": swap})

    assert "one, other" in is_problem(answer, 409)["detail"]
    assert await products(catalog) == ["one", "other"]
    assert len(await announced(catalog)) == before


async def test_a_batch_sets_categories_in_the_same_version(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    a, b = [(await create_category(client, name=name))["id"] for name in "ab"]
    product = await create(client, categories=[a])
    before = len(await announced(catalog))

    answer = await client.post(
        URL,
        json={
            "update": [{"id": product["id"], "name": "Torch", "categories": [b]}],
            "create": [new("B-1", categories=[a, b]), new("B-2", categories=[])],
        },
    )

    results = answer.json()["results"]
    assert [each["version"] for each in results] == [2, 1, 1]
    stand_in = [
        (await client.get(f"/v1/products/{each['id']}")).json()["categories"] for each in results
    ]
    assert stand_in == [[b], [a, b], []]
    for each, actions in (
        (results[0], ["pre_remove", "post_remove", "pre_add", "post_add"]),
        (results[1], ["pre_add", "post_add"]),
        (results[2], []),
    ):
        events = [
            event
            for event in (await announced(catalog))[before:]
            if event.headers["ce-subject"] == each["id"]
        ]
        assert [event.body.get("action") for event in events] == [None, None, *actions]
        version = f"{each['version']:012d}"
        assert [event.sequence for event in events] == [
            f"{version}.{place:04d}" for place in range(len(events))
        ]


async def test_a_batch_that_does_not_fit_what_is_stored_lists_every_conflict(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    one, two = [await create(client, sku=sku) for sku in ("A-1", "A-2")]
    before = len(await announced(catalog))

    answer = await client.post(
        URL,
        json={
            "delete": [MISSING],
            "update": [
                {"id": one["id"], "version": 7},
                {"id": str(uuid4()), "name": "Torch"},
                {"id": two["id"], "sku": "A-1"},
            ],
            "create": [new("A-2"), new("A-1"), new("B-1"), new("B-1")],
        },
    )

    assert errors(answer, 409) == {
        "#/delete/0": "not-found",
        "#/update/0/version": "precondition-failed",
        "#/update/0/sku": "conflict",
        "#/update/1/id": "not-found",
        "#/update/2/sku": "conflict",
        "#/create/1/sku": "conflict",
        "#/create/2/sku": "conflict",
        "#/create/3/sku": "conflict",
    }
    assert await products(catalog) == ["A-1", "A-2"]
    assert len(await announced(catalog)) == before


async def test_a_batch_that_is_wrong_in_itself_is_invalid(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    one, two = [await create(client, sku=sku) for sku in ("A-1", "A-2")]
    before = len(await announced(catalog))

    answer = await client.post(
        URL,
        json={
            "delete": [one["id"], one["id"], MISSING],
            "update": [
                {"id": one["id"], "name": "Torch"},
                {"id": two["id"], "currency": "JPY"},
                {"id": two["id"]},
            ],
            "create": [
                new("B-1", price="1.999"),
                new("B-2", categories=[MISSING, MISSING]),
            ],
        },
    )

    assert errors(answer, 422).keys() == {
        "#/delete/1",
        "#/update/0/id",
        "#/update/1/currency",
        "#/update/2/id",
        "#/create/0/price",
        "#/create/1/categories/0",
        "#/create/1/categories/1",
        "#/delete/2",
    }
    assert await products(catalog) == ["A-1", "A-2"]
    assert len(await announced(catalog)) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], "#"),
        ({"delete": None}, "#/delete"),
        ({"delete": ["lamp"]}, "#/delete/0"),
        ({"update": [{"name": "Torch"}]}, "#/update/0/id"),
        ({"update": [{"id": MISSING, "version": 0}]}, "#/update/0/version"),
        ({"update": [{"id": MISSING, "version": 2**31}]}, "#/update/0/version"),
        ({"update": [{"id": MISSING, "version": True}]}, "#/update/0/version"),
        ({"update": [{"id": MISSING, "version": "1"}]}, "#/update/0/version"),
        ({"update": [{"id": MISSING, "colour": "red"}]}, "#/update/0/colour"),
        ({"create": [new("A-1"), new("")]}, "#/create/1/sku"),
        ({"create": [new("A-1", price="1e9")]}, "#/create/0/price"),
        ({"delete": [MISSING] * 1001}, "#/delete"),
        ({"delete": [MISSING] * 501, "create": [new("A-1")] * 500}, "#"),
        ({"upsert": []}, "#/upsert"),
    ],
)
@sqlite_suffices
async def test_a_wrong_field_of_a_batch_is_pointed_to(
    client: httpx2.AsyncClient, catalog: Catalog, body: object, pointer: str
) -> None:
    answer = await client.post(URL, json=body)

    assert is_problem(answer, 422)["errors"][0]["pointer"] == pointer
    assert await announced(catalog) == []


async def test_a_refusal_of_one_change_undoes_all(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)

    def refuse(event: Event[models.Product]) -> None:
        if event.instance.sku == "B-2":
            raise Refused("not this one")

    body = {"delete": [product["id"]], "create": [new("B-1"), new("B-2")]}
    with listening(pre_save, refuse, models.Product):
        answer = await client.post(URL, json=body)

    assert is_problem(answer, 409)["detail"] == "not this one"
    assert await products(catalog) == ["A-1"]
    assert len(await announced(catalog)) == 2


@pytest.mark.parametrize(
    ("signal", "pointer"),
    [
        (pre_delete, "#/delete/1"),
        (pre_save, "#/update/1"),
        (post_save, "#/update/1"),
        (m2m_changed, "#/create/0"),
    ],
)
@sqlite_suffices
async def test_the_change_that_a_receiver_refuses_is_pointed_to(
    client: httpx2.AsyncClient, signal: Signal, pointer: str
) -> None:
    def refuse(event: Event[models.Product]) -> None:
        if event.instance.sku in {"A-2", "A-4", "B-1"}:
            raise Refused("not this one")

    category = await create_category(client)
    ids = [(await create(client, sku=f"A-{number}"))["id"] for number in (1, 2, 3, 4)]
    body = {
        "delete": ids[:2],
        "update": [{"id": id_, "name": "Torch"} for id_ in ids[2:]],
        "create": [new("B-1", categories=[category["id"]])],
    }
    with listening(signal, refuse, models.Product):
        answer = await client.post(URL, json=body)

    problem = is_problem(answer, 409)
    assert (problem["type"].rpartition(":")[2], problem["detail"]) == ("refused", "not this one")
    assert errors(answer, 409) == {pointer: "refused"}


@sqlite_suffices
async def test_the_deletion_of_a_product_whose_image_is_refused_is_pointed_to(
    client: httpx2.AsyncClient,
) -> None:
    def refuse(_event: Event[models.Image]) -> None:
        raise Refused("not this one")

    ids = [(await create(client, sku=f"A-{number}"))["id"] for number in (1, 2)]
    files = {"file": ("lamp.png", png())}
    assert (await client.post(f"/v1/products/{ids[1]}/images", files=files)).status_code == 201
    with listening(pre_delete, refuse, models.Image):
        answer = await client.post(URL, json={"delete": ids})
    assert errors(answer, 409) == {"#/delete/1": "refused"}


@sqlite_suffices
async def test_an_empty_batch_does_nothing(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    answer = await client.post(URL, json={})

    assert (answer.status_code, answer.json()) == (200, {"results": []})
    assert await announced(catalog) == []


@sqlite_suffices
async def test_a_batch_may_be_four_megabytes_and_no_more(client: httpx2.AsyncClient) -> None:
    long = [new(f"B-{number}", description="x" * 9_900) for number in range(420)]

    is_problem(await client.post(URL, json={"create": [*long, *long[:10]]}), 413)
    assert (await client.post(URL, json={"create": long})).status_code == 200


async def test_a_thousand_changes_cost_few_statements(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    shelf = (await create_category(client))["id"]
    created = await client.post(
        URL, json={"create": [new(f"B-{number}", categories=[shelf]) for number in range(500)]}
    )
    ids = [each["id"] for each in created.json()["results"]]
    async with statements_of(catalog.database) as statements:
        answer = await client.post(
            URL,
            json={
                "delete": ids[:200],
                "update": [{"id": id_, "name": "Torch", "categories": []} for id_ in ids[200:]],
                "create": [new(f"C-{n}", categories=[shelf]) for n in range(500)],
            },
        )

    assert len(answer.json()["results"]) == 1000
    parts = {
        "BEGIN and COMMIT": 2,
        "read the products, their images and categories": 3,
        "delete them, from their categories too, and the counts of their views": 3,
        "look for SKUs that are taken, for the batch and again before they are written": 2,
        "find the categories, for the batch and again before they are set": 2,
        "update the products, and create those without images and categories": 2,
        "take products out of categories, and put others in": 2,
        "tell those products' time, for each": 2,
        "write the events": 1,
    }
    assert len(statements) == sum(parts.values())


async def test_batches_over_the_same_rows_wait_in_line_and_lose_nothing(
    client: httpx2.AsyncClient,
) -> None:
    ids = [(await create(client, sku=f"A-{number}"))["id"] for number in range(10)]

    async def rename(turn: int) -> httpx2.Response:
        order = ids if turn % 2 else ids[::-1]
        return await client.post(
            URL, json={"update": [{"id": id_, "name": f"Lamp {turn}"} for id_ in order]}
        )

    answers = await asyncio.gather(*map(rename, range(6)))

    assert [each.status_code for each in answers] == [200] * 6
    versions = {(await client.get(f"/v1/products/{id_}")).json()["version"] for id_ in ids}
    assert versions == {7}


async def test_batches_that_want_the_same_skus_never_fail_for_reasons_of_ours(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    skus = [f"B-{number}" for number in range(20)]
    one, two = (await create(client, sku="A-1"))["id"], (await create(client, sku="A-2"))["id"]

    def batch(turn: int) -> dict[str, Any]:
        # An update is written before the creations: here each takes what the other creates.
        taken, mine, wanted = (one, "X", "Y") if turn % 2 else (two, "Y", "X")
        order = skus if turn % 2 else skus[::-1]
        update = [{"id": taken, "sku": mine}]
        return {"update": update, "create": [new(sku) for sku in (*order, wanted)]}

    answers = await asyncio.gather(*(client.post(URL, json=batch(turn)) for turn in range(8)))

    assert sorted(each.status_code for each in answers) == [200] + [409] * 7
    assert len(await products(catalog)) == 2 + 21


@sqlite_suffices
async def test_a_batch_needs_the_scope(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    body = {"create": [new("B-1")]}

    is_problem(await client.post(URL, json=body, headers=token("catalog:read")), 403)
    del client.headers["Authorization"]
    is_problem(await client.post(URL, json=body), 401)

    assert await products(catalog) == []


async def test_a_deadlock_that_receivers_cause_is_a_conflict(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    one, two = [(await create(client, sku=sku))["id"] for sku in ("A-1", "A-2")]
    # SQLite has one writer: there the second does not begin before the first has ended.
    both_began = asyncio.Barrier(1 if catalog.database.is_sqlite else 2)

    async def lock_the_other(event: Event[models.Product], session: Session) -> None:
        await both_began.wait()
        other = two if str(event.instance.id) == one else one
        await ProductRepository(session).edit(UUID(other))

    with listening(pre_save, lock_the_other, models.Product):
        answers = await asyncio.gather(
            *(client.patch(f"/v1/products/{id_}", json={"name": "Torch"}) for id_ in (one, two))
        )

    statuses = sorted(each.status_code for each in answers)
    assert statuses == ([200, 200] if catalog.database.is_sqlite else [200, 409])


@sqlite_suffices
async def test_unknown_keys_by_the_hundred_thousand_are_refused_in_few_words(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    unknown = {f"k{number}": 1 for number in range(200)}

    for batch in (
        {"create": [unknown] * 1_000},
        {"update": [{"id": MISSING, **unknown}] * 1_000},
        {f"k{number}": 1 for number in range(200_000)},
    ):
        answer = await client.post(URL, json=batch)
        assert 10 <= len(errors(answer, 422)) <= 50

    assert await products(catalog) == []
    assert await announced(catalog) == []


async def test_of_unknown_categories_by_the_ten_thousand_the_first_are_told(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    ids = [[str(UUID(int=400 * item + each)) for each in range(100)] for item in range(400)]
    batch = {"create": [new(f"B-{item}", categories=each) for item, each in enumerate(ids)]}

    told = errors(await client.post(URL, json=batch), 422)

    assert len(told) == 1_000
    assert told["#/create/0/categories/0"] == "There is no such category"
    assert await products(catalog) == []
