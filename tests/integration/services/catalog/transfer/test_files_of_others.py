"""Imports of what spreadsheets and other programs write, and of what was damaged on its way."""

import json
from pathlib import Path
from typing import Any

import pytest

from heliograph.events import new_id
from services.catalog import models
from services.catalog.repositories.categories import CategoryRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from services.catalog.transfer import importer as importing
from services.catalog.transfer.importer import Importer, Tally
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import announced, products

HEAD = "sku,name,price,currency\n"
LAMP = {"sku": "A-1", "name": "Lamp", "description": "Long", "price": "19.99", "currency": "EUR"}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


async def imported(catalog: Catalog, path: Path, content: str | bytes) -> Tally:
    written(path, content)
    return await Importer(catalog.database, path).run()


def rejects(path: Path) -> list[dict[str, Any]]:
    """The lines of the file of rejects, each of which must be strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = path.with_name(path.name + ".rejects.jsonl").read_bytes().decode().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


async def product(catalog: Catalog, sku: str = "A-1") -> models.Product:
    async with catalog.database.transaction() as session:
        return (await ProductRepository(session).edit_skus({sku}))[sku]


@pytest.fixture
async def known(catalog: Catalog, tmp_path: Path) -> None:
    """The product A-1 with all that an import can give it."""
    async with catalog.database.transaction() as session:
        category = models.Category(id=new_id(), name="lamps", slug="lamps")
        await CategoryRepository(session).save(category)
    line = json.dumps(LAMP | {"categories": ["lamps"]})
    assert await imported(catalog, tmp_path / "known.jsonl", line) == Tally(created=1)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", HEAD + "A-1,Lamp,14.99,EUR\n"),
        ("p.csv", "sku,price\nA-1,14.99\n"),
        ("p.jsonl", '{"sku": "A-1", "price": "14.99"}'),
    ],
)
async def test_a_field_that_a_file_does_not_have_stays(
    catalog: Catalog, tmp_path: Path, name: str, content: str
) -> None:
    assert await imported(catalog, tmp_path / name, content) == Tally(updated=1)
    found = await product(catalog)
    assert (str(found.price), found.description, len(found.categories)) == ("14.99", "Long", 1)
    assert (await announced(catalog))[-1].body["changes"] == {
        "price": {"from": "19.99", "to": "14.99"}
    }
    assert await imported(catalog, tmp_path / name, content) == Tally(unchanged=1)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "sku,description,categories\nA-1,,\n"),
        ("p.jsonl", '{"sku": "A-1", "description": null, "categories": null}'),
    ],
)
async def test_an_empty_cell_or_a_null_empties_what_can_be_empty(
    catalog: Catalog, tmp_path: Path, name: str, content: str
) -> None:
    assert await imported(catalog, tmp_path / name, content) == Tally(updated=1)
    found = await product(catalog)
    assert (found.name, found.description, found.categories) == ("Lamp", "", [])


@pytest.mark.usefixtures("known")
async def test_what_cannot_be_empty_is_rejected_when_it_is(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    content = "sku,name,price\nA-1,,14.99\nA-1,Lamp,\nA-2,Lamp,1.00\n,Lamp,1.00\n"
    assert await imported(catalog, path, content) == Tally(rejected=4)
    assert [each["reason"] for each in rejects(path)] == [
        "name: Must not be blank",
        "price: Must be a decimal in a string, with at most 12 digits and 4 decimals",
        "currency: is missing, and no product has this SKU yet",
        "sku: Must not be blank",
    ]


async def test_a_sku_with_spaces_around_it_is_the_same(catalog: Catalog, tmp_path: Path) -> None:
    content = HEAD + "WS1,a,1.00,EUR\n WS1 ,b,2.00,EUR\n"
    assert await imported(catalog, tmp_path / "p.csv", content) == Tally(created=1, updated=1)
    assert (await product(catalog, "WS1")).name == "b"


async def test_a_quote_that_is_never_closed_costs_one_line(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    rows = [f"Q{number},Product,1.00,EUR\n" for number in range(10)]
    rows[2] = '"' + rows[2]
    assert await imported(catalog, path, HEAD + "".join(rows)) == Tally(created=9, rejected=1)
    assert await products(catalog) == [f"Q{number}" for number in range(10) if number != 2]
    [reject] = rejects(path)
    assert (reject["line"], reject["last_line"]) == (4, 4)
    assert reject["text"] == '"Q2,Product,1.00,EUR'


@pytest.mark.parametrize(
    ("content", "found", "rejected"),
    [
        (HEAD.encode() + b'A,"Caf\xe9" x,1,EUR\nB,x,1,EUR\n', ["B"], 1),
        (HEAD.encode() + b"A\0,x,1,EUR\nB,x,1,EUR\n", ["B"], 1),
        (HEAD.encode() + b"x" * 2_000_000 + b"\nB,x,1,EUR\n", ["B"], 1),
        ((HEAD + "A,x,1,EUR\nB,x,1,EUR\n").replace("\n", "\r").encode(), ["A", "B"], 0),
        ((HEAD + "A,x,1,EUR\nB,x,1,EUR\n").replace("\n", "\r\n").encode(), ["A", "B"], 0),
        ((HEAD + "A,x,1,EUR\r\nB,x,1,EUR\r").encode("utf-8-sig"), ["A", "B"], 0),
        (HEAD.encode() + b"A,x,1,EUR\n,,,\n,,,\n", ["A"], 0),
        (b"\n\n" + HEAD.encode() + b"A,x,1,EUR\n", ["A"], 0),
        (b"sku;name;price;currency\nA;Lamp, big;1,99;EUR\nB;x, y;1.99;EUR\n", ["B"], 1),
    ],
)
async def test_what_spreadsheets_write_is_read_and_a_bad_line_is_rejected_alone(
    catalog: Catalog, tmp_path: Path, content: bytes, found: list[str], rejected: int
) -> None:
    path = tmp_path / "p.csv"
    tally = await imported(catalog, path, content)
    assert tally == Tally(created=len(found), rejected=rejected)
    assert await products(catalog) == found
    assert len(rejects(path) if rejected else []) == rejected


@pytest.mark.parametrize(
    "line",
    [
        '{"sku": "A", "name": NaN}',
        '{"sku": "A", "name": 1e999}',
        '{"sku": "\\ud800", "\\udfff": "\\u0000"}',
        '{"sku": "A", "name": "x", "price": "1", "currency": "EUR", "categories": ["\\u0000"]}',
        '{"sku": "A", "name": "x", "price": "1", "currency": "EUR", "categories": ["\\ud800"]}',
        '{"sku": "A", "name": "x", "price": "1", "currency": "EUR", "categories": '
        + "[" * 900
        + ("]" * 900 + "}"),
        json.dumps(LAMP | {"categories": [f"c{number}" for number in range(101)]}),
        json.dumps({"sku": "A", "x" * 100_000: 1}),
        "[" * 100_000,
    ],
)
async def test_the_file_of_rejects_is_json_whatever_was_rejected(
    catalog: Catalog, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "p.jsonl"
    content = f'{line}\n{{"sku": "B", "name": "x", "price": "1", "currency": "EUR"}}'
    assert await imported(catalog, path, content) == Tally(created=1, rejected=1)
    [reject] = rejects(path)
    assert reject["line"] == 1
    assert 0 < len(reject["reason"]) <= 500


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", HEAD.encode() + b"A,Caf\xe9,1,EUR\nB,x,much,EUR\nC,x,1,EUR\n"),
        ("p.jsonl", b'{"sku": "A",\n{"sku": "B", "name": "x", "price": 1, "currency": "EUR"}\n'),
    ],
)
async def test_what_was_rejected_and_mended_in_the_file_of_rejects_is_imported_from_it(
    catalog: Catalog, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    assert (await imported(catalog, path, content)).rejected == 2
    damaged, wrong = rejects(path)
    assert "A" in damaged["text"]
    damaged["record"] = {"sku": "A", "name": "Café", "price": "1", "currency": "EUR"}
    wrong["record"]["price"] = "1.00"
    again = path.with_name(path.name + ".rejects.jsonl")
    mended = "".join(f"{json.dumps(each)}\n" for each in (damaged, wrong))
    assert await imported(catalog, again, mended) == Tally(created=2)
    assert {"A", "B"} <= {*await products(catalog)}
    assert again.exists()


async def test_a_killed_import_goes_on_behind_a_line_with_an_open_quote(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    path = tmp_path / "p.csv"
    rows = [f"Q{number},x,1,EUR" for number in range(7)]
    rows[1], rows[4] = f'"{rows[1]}', f'"{rows[4]}'
    path.write_text(HEAD + "\r".join(rows))

    class Killed(Exception):
        pass

    def kill(_done: int, _tally: Tally) -> None:
        raise Killed

    for _ in range(3):
        with pytest.raises(Killed):
            await Importer(catalog.database, path, on_progress=kill).run()
    assert await Importer(catalog.database, path).run() == Tally(created=5, rejected=2)
    assert [each["line"] for each in rejects(path)] == [3, 6]
    assert len(await announced(catalog)) == 10


async def test_who_takes_the_rejects_away_between_two_halves_of_an_import_finds_the_others_there(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 1)
    path = tmp_path / "p.csv"
    path.write_text(HEAD + "A,x,much,EUR\nB,x,more,EUR\n")

    class Killed(Exception):
        pass

    def kill(_done: int, _tally: Tally) -> None:
        raise Killed

    with pytest.raises(Killed):
        await Importer(catalog.database, path, on_progress=kill).run()
    path.with_name("p.csv.rejects.jsonl").unlink()
    assert await Importer(catalog.database, path).run() == Tally(rejected=2)
    assert [each["line"] for each in rejects(path)] == [3]


@pytest.mark.parametrize("depth", [20, 60, 500, 967, 968, 969, 970, 5_000])
@sqlite_suffices
async def test_a_line_that_is_nested_deeply_is_rejected_alone(
    catalog: Catalog, tmp_path: Path, depth: int
) -> None:
    """The depth at which a reader still reads and a writer no longer writes is no end of both."""
    good = [json.dumps(LAMP | {"sku": sku}) for sku in ("A-1", "A-3")]
    deep = json.dumps(LAMP | {"sku": "A-2"})[:-1] + f', "x": {"[" * depth}{"]" * depth}}}'
    path = tmp_path / "deep.jsonl"
    assert await imported(catalog, path, "\n".join([good[0], deep, good[1]])) == Tally(
        created=2, rejected=1
    )
    [reject] = rejects(path)
    assert reject["line"] == 2
    assert deep in (reject.get("text"), json.dumps(reject["record"]))


@sqlite_suffices
async def test_what_is_no_text_stays_rejected_until_it_is_mended(
    catalog: Catalog, tmp_path: Path
) -> None:
    torn = json.dumps(LAMP | {"sku": "A-\ud800"})
    path = tmp_path / "torn.jsonl"
    assert await imported(catalog, path, torn) == Tally(rejected=1)
    [reject] = rejects(path)
    assert reject["text"] == torn
    again = path.with_name(path.name + ".rejects.jsonl")
    assert await Importer(catalog.database, again).run() == Tally(rejected=1)
    pair = json.dumps(LAMP | {"sku": "A-\U0001f4a1"})
    assert await imported(catalog, tmp_path / "whole.jsonl", pair) == Tally(created=1)


@sqlite_suffices
async def test_the_longest_line_that_is_rejected_can_be_mended(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    row = b'"A-1","' + b"\xe4" * 999_000 + b'","1","EUR"\n'
    assert await imported(catalog, path, HEAD.encode() + row) == Tally(rejected=1)
    [reject] = rejects(path)
    reject["record"] = LAMP
    mended = json.dumps(reject)
    assert len(mended) > 3_000_000
    assert await imported(catalog, tmp_path / "mended.jsonl", mended) == Tally(created=1)
