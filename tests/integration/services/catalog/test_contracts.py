"""Whatever the API takes, readers of its events take."""

import random
from typing import Any

import httpx2

import contracts
from heliograph.events import EventKind, admit
from heliograph.money import currencies
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import announced, buffered, create_category
from tests.pictures import png

CONTRACTS: dict[str, type[Any]] = {
    "catalog.product": contracts.Product,
    "catalog.image": contracts.Image,
    "catalog.category": contracts.Category,
}
CURRENCIES = [code for places in (0, 2, 3, 4) for code in currencies(places)]
LETTERS = [" ", "\t", "\n", "\r", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "é", "e\u0301"]
LETTERS += ["a", "B", "7", '"', "\\", "/", "<", "=", "\u202e", "\U0001f4a1", "\ufdfa", "가", "٣"]


def text(chance: random.Random, longest: int) -> str:
    odd = chance.choice([LETTERS, LETTERS[-17:], LETTERS[-13:]])
    length = chance.choice([0, 1, 5, longest - 1, longest, longest + 1])
    return "".join(chance.choices(odd, k=length))


def price(chance: random.Random) -> Any:
    places = chance.choice([0, 0, 2, 2, 3, 4, 5])
    digits = "".join(chance.choices("0123456789", k=chance.choice([1, 2, 12, 12, 13])))
    odd = ["1e20000000", "-5.00", "NaN", 19.99, "0", "000.00", "+1", "1_0"]
    return chance.choice([digits + "." * (places > 0) + "9" * places, chance.choice(odd)])


def fields(chance: random.Random, categories: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sku": text(chance, 64),
        "name": text(chance, 200),
        "description": text(chance, 10_000),
        "price": price(chance),
        "currency": chance.choice(CURRENCIES),
        "categories": chance.choices(categories, k=chance.choice([0, 1, 100])),
    }
    plain = {"sku": f"s{chance.random()}", "name": "Lamp", "description": "", "price": "5"}
    kept = chance.sample(sorted(plain), k=3)
    return found | {name: plain[name] for name in kept}


@sqlite_suffices
async def test_whatever_is_written_by_the_api_makes_events_that_are_read(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    chance = random.Random(14)  # noqa: S311 - to be the same again
    shelves = [await create_category(client, name=f"Shelf {number}") for number in range(3)]
    ids = [each["id"] for each in shelves]
    answers: dict[int, int] = {}
    products: list[str] = []
    for _ in range(300):
        wanted = fields(chance, ids)
        if products and chance.random() < 0.5:
            patch = {name: wanted[name] for name in chance.sample(sorted(wanted), k=2)}
            answer = await client.patch(f"/v1/products/{chance.choice(products)}", json=patch)
        else:
            answer = await client.post("/v1/products", json=wanted)
            if answer.status_code == 201:
                products.append(answer.json()["id"])
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
        name = text(chance, 200)
        shelf = await client.post("/v1/categories", json={"name": name})
        assert shelf.status_code in {201, 409, 422}, shelf.text
    assert answers.keys() <= {200, 201, 409, 422}
    assert min(answers[200], answers[201], answers[422]) > 20

    product = products[0]
    for alt in ("", "é" * 300):
        files = {"file": ("a", png())}
        url = f"/v1/products/{product}/images"
        image = (await client.post(url, files=files, data={"alt": alt})).json()
        await client.patch(f"{url}/{image['id']}", json={"position": 0})
    await client.get(f"/v1/products/{product}")
    await buffered(catalog)
    for id_ in products:
        assert (await client.delete(f"/v1/products/{id_}")).status_code == 204

    heard = await announced(catalog)
    for each in heard:
        sender, _, signal = each.key.rpartition(".")
        contract = contracts.View if signal == "viewed" else CONTRACTS[sender]
        kind = EventKind(signal, contract)
        admit(each.headers, each.content, lambda *_, kind=kind: kind)
    assert {each.signal for each in heard} >= {"viewed", "m2m_changed", "pre_save", "pre_delete"}
