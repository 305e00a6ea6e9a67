from typing import Any, get_args

import httpx2
import pytest
from sqlalchemy import Select, select, text

import contracts
from services.catalog import models
from services.catalog.repositories import search
from services.catalog.repositories.listing import Listing, Sort
from services.catalog.repositories.search import Term, among_all, among_the_first
from services.catalog.service import Catalog
from tests.integration.services.catalog.conftest import create, is_problem


async def found(client: httpx2.AsyncClient, q: str, **query: Any) -> list[str]:
    answer = await client.get("/v1/products", params={"q": q, "sort": "created_at"} | query)
    assert answer.status_code == 200, answer.text
    return [each["sku"] for each in answer.json()["items"]]


@pytest.fixture
async def shelf(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Three products to search among."""
    await create(client, sku="LAMP-100", name="Café lamp", description="Gives a warm light.")
    await create(client, sku="TORCH-7", name="Torch", description="Light in a cellar, 1.5 V/cell")
    await create(client, sku="ДОМ-1", name="Ночной свет", description="<b>Ärmel</b> and/or O'Brien")
    return client


FOUND = {
    "torch": ["TORCH-7"],
    "TORCH": ["TORCH-7"],
    "light": ["LAMP-100", "TORCH-7"],
    "light warm": ["LAMP-100"],
    "lamp torch": [],
    "lig": ["LAMP-100", "TORCH-7"],
    "lig warm": [],
    "warm lig": ["LAMP-100"],
    "LAMP-100": ["LAMP-100"],
    "lamp-1": ["LAMP-100"],
    "torch-7": ["TORCH-7"],
    "cafe": ["LAMP-100"],
    "CAFÉ": ["LAMP-100"],
    "cafe\u0301": ["LAMP-100"],
    "ночной": ["ДОМ-1"],
    "НОЧНОЙ свет": ["ДОМ-1"],
    "armel": ["ДОМ-1"],
    "or": ["ДОМ-1"],
    "o'brien": ["ДОМ-1"],
    "1.5": ["TORCH-7"],
    "v/cell": ["TORCH-7"],
    "amp": [],
    "...": [],
    "🎉": [],
}


async def test_a_product_is_found_by_all_words_and_the_beginning_of_the_last(
    shelf: httpx2.AsyncClient,
) -> None:
    assert {q: await found(shelf, q) for q in FOUND} == FOUND


NAMES = (
    "हिन्दी दीपक", "বাংলা বই", "தமிழ் விளக்கு", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "ଓଡ଼ିଆ",
    "සිංහල", "น้ำดื่ม", "ខ្មែរ", "ພາສາລາວ", "မြန်မာ", "བོད་སྐད་",
    "ქართული", "Հայերեն", "አማርኛ", "ᏣᎳᎩ", "ᠮᠣᠩᠭᠣᠯ",
    "עִבְרִית", "العَرَبِيَّة", "فارسی‌ها", "ދިވެހި",  # noqa: RUF001 - Arabic
    "한국어 조명", "日本語のランプ", "中文台灯", "Λάμπα", "Ёлка", "Đèn bàn",
    "Ölçü ışığı", "𐐔𐐯𐑅𐐨𐑉𐐯𐐻", "☕",
)  # fmt: skip


async def test_a_product_is_found_by_its_own_name_in_every_script(
    client: httpx2.AsyncClient,
) -> None:
    for number, name in enumerate(NAMES):
        await create(client, sku=f"S-{number}", name=name)
    assert [await found(client, name) for name in NAMES] == [[f"S-{n}"] for n in range(len(NAMES))]


async def test_a_word_is_found_within_a_run_that_has_no_spaces(client: httpx2.AsyncClient) -> None:
    await create(client, sku="A", name="日本語のランプ")
    await create(client, sku="B", name="東京都の電球")
    await create(client, sku="C", name="น้ำดื่ม")

    found_by = {q: await found(client, q) for q in ("ランプ", "京都", "球", "本語", "京東", "ดื่ม")}

    assert found_by == {
        "ランプ": ["A"], "京都": ["B"], "球": ["B"], "本語": ["A"], "京東": [], "ดื่ม": ["C"],
    }  # fmt: skip


async def test_no_question_is_an_operator_or_an_error(shelf: httpx2.AsyncClient) -> None:
    for q in (
        '"', '""', "'", "''", "*", "lamp*", "torch OR lamp", "NOT lamp", "-lamp", "lamp & !torch",
        "name:lamp", "lamp:*", "NEAR(lamp torch)", "(lamp", "lamp)", "{lamp}", "^lamp", "\\",
        "%", "_", "<->", "light <-> warm", "½", "²", "ﬁ", "한국어", "ไทย", "हिन्दी", "1e400", "0x1f",
        "a" * 200, "a " * 99, "'" * 200, "\u200b", "\ufffd", "İ", "ß",
    ):  # fmt: skip
        await found(shelf, q)
    assert await found(shelf, "torch OR lamp") == []
    is_problem(await shelf.get("/v1/products", params={"q": "lamp\0"}), 422)
    is_problem(await shelf.get("/v1/products", params={"q": "a" * 201}), 422)
    is_problem(await shelf.get("/v1/products", params={"q": " "}), 422)


async def test_what_is_changed_or_deleted_is_found_as_it_is_now(
    client: httpx2.AsyncClient,
) -> None:
    product = await create(client, name="Lamp", description="bright")
    url = f"/v1/products/{product['id']}"

    await client.patch(url, json={"name": "Torch"})
    assert (await found(client, "lamp"), await found(client, "torch")) == ([], ["A-1"])
    await client.patch(url, json={"price": "1.00"})
    assert await found(client, "bright torch") == ["A-1"]
    await client.patch(url, json={"description": ""})
    assert await found(client, "bright") == []
    await client.delete(url)
    assert await found(client, "torch") == []
    await create(client, sku="A-2", name="Torch")
    assert await found(client, "torch") == ["A-2"]


async def test_a_search_joins_the_other_filters_and_pages(client: httpx2.AsyncClient) -> None:
    for number in range(5):
        await create(client, sku=f"A-{number}", name=f"Lamp {number}", price=f"{number}.00")

    assert await found(client, "lamp", min_price="2", max_price="3") == ["A-2", "A-3"]
    pages, query = [], {"q": "lamp", "sort": "-price", "limit": "2"}
    while True:
        page = (await client.get("/v1/products", params=query)).json()
        pages.append([each["sku"] for each in page["items"]])
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert pages == [["A-4", "A-3"], ["A-2", "A-1"], ["A-0"]]


FOUND_BY = (
    ("lamp", "ABCDE"), ("lam", "ABCDE"), ("lamp x", "AE"), ("x lam", "AE"), ("y", "BCD"),
    ("lamp z", ""), ("z lamp", ""),
)  # fmt: skip


async def test_a_search_finds_the_same_page_in_every_way(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Common words and rare ones, one product a page, when few are looked at first."""
    shelf = (await client.post("/v1/categories", json={"name": "Shelf"})).json()["id"]
    prices = {"A": "3.00 EUR", "B": "200 JPY", "C": "1.000 KWD", "D": "3.00 EUR", "E": "0.50 USD"}
    for sku, price in prices.items():
        amount, currency = price.split()
        product = {"sku": sku, "name": f"Lamp {'x' if sku in 'AE' else 'y'}", "price": amount}
        if sku == "B":
            product["description"] = "One of our lamps"
        categories = [shelf] if sku in "ABE" else []
        await create(client, **product, currency=currency, categories=categories)
    filters: list[tuple[dict[str, str], str]] = [
        ({}, "ABCDE"),
        ({"category": shelf}, "ABE"),
        ({"min_price": "1", "max_price": "3"}, "ACD"),
        ({"category": shelf, "min_price": "1", "max_price": "3"}, "A"),
    ]
    orders = {"created_at": "ABCDE", "name": "AEBCD", "price": "ECADB"}

    for first, few, named in ((1, 0, 20), (1, 0, 1), (3, 0, 0), (20, 0, 20), (20, 3, 20)):
        monkeypatch.setattr(search, "FIRST", first)
        monkeypatch.setattr(search, "FEW", few)
        monkeypatch.setattr(search, "NAMED", named)
        for sort, order in orders.items():
            for q, has in FOUND_BY:
                for kept, stand in filters:
                    right = [sku for sku in order if sku in has and sku in stand]
                    assert await paged(client, q=q, sort=sort, **kept) == right
                    assert await paged(client, q=q, sort=f"-{sort}", **kept) == right[::-1]


async def paged(client: httpx2.AsyncClient, **query: str) -> list[str]:
    """The SKUs on all pages of one product."""
    found, query = [], query | {"limit": "1"}
    while True:
        page = (await client.get("/v1/products", params=query)).json()
        found += [each["sku"] for each in page["items"]]
        if page["next"] is None:
            return found
        query["after"] = page["next"]


async def test_what_a_search_sorts_and_filters_by_is_as_it_is_now(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 0)
    old, new = [(await client.post("/v1/categories", json={"name": n})).json()["id"] for n in "ON"]
    lamp = await create(client, sku="A", name="Lamp", price="5.00", categories=[old])
    await create(client, sku="B", name="Lamp b", price="4.00")
    url = f"/v1/products/{lamp['id']}"

    await client.patch(url, json={"name": "Lamp z", "price": "100", "currency": "JPY"})
    await client.put(f"{url}/categories", json={"categories": [new]})

    assert await found(client, "lamp", sort="name") == ["B", "A"]
    assert await found(client, "lamp", sort="price") == ["B", "A"]
    assert await found(client, "lamp", min_price="100") == ["A"]
    assert await found(client, "lamp", category=old) == []
    assert await found(client, "lamp", category=new) == ["A"]
    await client.put(f"{url}/categories/{old}")
    await client.delete(f"{url}/categories/{new}")
    assert await found(client, "lamp", category=old) == ["A"]
    assert await found(client, "lamp", category=new) == []


async def test_a_search_uses_its_index(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    await create(client)
    terms = [Term("lamp", begun=True)]
    async with catalog.database.reading() as session:
        all_sorted = await among_all(session, Listing(), terms)

    first = await explained(catalog, among_the_first(Listing(), terms))
    every = await explained(catalog, all_sorted)
    assert "ix_product_created_at" in first
    if catalog.database.is_sqlite:
        assert "SCAN product_search VIRTUAL TABLE INDEX" in every
        assert "SEARCH product_search_key USING INTEGER PRIMARY KEY" in every
    else:
        assert "ix_product_search_terms" in every


async def test_a_page_begins_where_an_index_says(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    last = contracts.Product.model_validate(await create(client))
    for sort in get_args(Sort):
        after = Listing(sort=sort).cursor(last)
        query = Listing(sort=sort, after=after).paged(select(models.Product))

        assert f"ix_product_{sort.removeprefix('-')}" in await explained(catalog, query)


async def explained(catalog: Catalog, query: Select[Any]) -> str:
    """How the database answers the query; PostgreSQL as if the table were too long to scan."""
    sqlite = catalog.database.is_sqlite
    engine = catalog.database.engine.sync_engine
    statement = query.compile(engine, compile_kwargs={"literal_binds": True})
    async with catalog.database.transaction() as session:
        if not sqlite:
            for way in ("seqscan", "sort"):
                await session.execute(text(f"SET LOCAL enable_{way} = off"))
        connection = await session.connection()
        how = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
        rows = await connection.exec_driver_sql(f"{how} {statement}")
        return "".join(f"{row[-1]}\n" for row in rows)
