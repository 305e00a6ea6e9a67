import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from heliograph import Event, Refused, pre_save
from heliograph.events import new_id
from services.catalog import models
from services.catalog.repositories.categories import CategoryRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.service import Catalog
from services.catalog.transfer import importer as importing
from services.catalog.transfer.exporter import export
from services.catalog.transfer.importer import Importer, Tally
from services.catalog.transfer.records import UnreadableFile
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import announced, listening, products

LAMP = {"sku": "A-1", "name": "Lamp", "price": "19.99", "currency": "EUR"}


def _jsonl(path: Path, records: Iterable[Any]) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _csv(path: Path, records: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, list(records[0]))
        rows.writeheader()
        rows.writerows(records)
    return path


def _names(directory: Path, pattern: str) -> list[str]:
    return [each.name for each in directory.glob(pattern)]


def _rejects(path: Path) -> list[tuple[int, str]]:
    lines = path.with_name(path.name + ".rejects.jsonl").read_text().splitlines()
    return [(each["line"], each["reason"]) for each in map(json.loads, lines)]


async def _import(catalog: Catalog, path: Path) -> Tally:
    return await Importer(catalog.database, path).run()


@pytest.fixture
async def shelf(catalog: Catalog) -> None:
    async with catalog.database.transaction() as session:
        for slug in ("lamps", "sale"):
            category = models.Category(id=new_id(), name=slug, slug=slug)
            await CategoryRepository(session).save(category)


async def test_an_import_announces_every_product_as_imported(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = _jsonl(tmp_path / "p.jsonl", [LAMP, LAMP | {"sku": "A-2"}])
    assert await _import(catalog, path) == Tally(created=2)
    assert await products(catalog) == ["A-1", "A-2"]
    events = await announced(catalog)
    assert [each.signal for each in events] == ["pre_save"] * 2 + ["post_save"] * 2
    assert {each.body["origin"] for each in events} == {"import"}
    assert not path.with_name("p.jsonl.rejects.jsonl").exists()


async def test_a_second_import_updates_what_changed_and_nothing_else(
    catalog: Catalog, tmp_path: Path
) -> None:
    await _import(catalog, _jsonl(tmp_path / "p.jsonl", [LAMP, LAMP | {"sku": "A-2"}]))
    before = len(await announced(catalog))
    path = _jsonl(tmp_path / "q.jsonl", [LAMP | {"price": "14.99"}, LAMP | {"sku": "A-2"}])
    assert await _import(catalog, path) == Tally(updated=1, unchanged=1)
    events = (await announced(catalog))[before:]
    assert [each.signal for each in events] == ["pre_save", "post_save"]
    assert events[0].body["changes"] == {"price": {"from": "19.99", "to": "14.99"}}


async def test_a_sku_that_comes_twice_ends_as_its_last_line(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = _jsonl(tmp_path / "p.jsonl", [LAMP, LAMP | {"name": "Lantern"}])
    assert await _import(catalog, path) == Tally(created=1, updated=1)
    assert [each.sequence[:12] for each in await announced(catalog)] == (
        ["000000000001"] * 2 + ["000000000002"] * 2
    )


@pytest.mark.usefixtures("shelf")
async def test_what_is_not_accepted_is_written_down_with_line_and_reason(
    catalog: Catalog, tmp_path: Path
) -> None:
    def refuse(event: Event[models.Product]) -> None:
        if event.instance.name == "Forbidden":
            raise Refused("not in this shop")

    path = _jsonl(
        tmp_path / "p.jsonl",
        [
            LAMP | {"categories": ["lamps"]},
            "{broken",
            "",
            "[]",
            LAMP | {"sku": "A-2", "price": "-1"},
            LAMP | {"sku": "A-3", "price": "1.999"},
            LAMP | {"sku": "A-4", "colour": "red"},
            LAMP | {"sku": "A-5", "categories": ["chairs"]},
            LAMP | {"sku": "A-6", "name": "Forbidden"},
            LAMP | {"sku": "A-7\u0000"},
            LAMP | {"sku": "A-8"},
            '{"sku": "A-9", "price": NaN}',
            '{"sku": "A-9", "price": 1e999}',
        ],
    )
    with listening(pre_save, refuse, models.Product):
        assert await _import(catalog, path) == Tally(created=2, rejected=10)
    assert await products(catalog) == ["A-1", "A-8"]
    assert len(await announced(catalog)) == 2 + 4 + 2 + 2
    told = _rejects(path)
    assert [line for line, _ in told] == [2, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    reasons = dict(told)
    assert reasons[2].startswith("it is not JSON")
    assert reasons[4] == "it is not a JSON object"
    assert reasons[5].startswith("price: ")
    assert reasons[6] == "EUR has 2 decimals"
    assert reasons[7].startswith("colour: ")
    assert reasons[8] == "categories: there is no category chairs"
    assert reasons[9] == "not in this shop"
    assert reasons[10].startswith("sku: ")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
async def test_an_interrupted_import_goes_on_where_it_stopped(
    catalog: Catalog, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 3)
    records = [LAMP | {"sku": f"A-{number}", "description": "a\nb"} for number in range(10)]
    records[1]["price"] = "much"
    records[7]["price"] = "more"
    path = tmp_path / f"p.{suffix}"
    (_csv if suffix == "csv" else _jsonl)(path, records)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\r"))

    class Interrupted(Exception):
        pass

    def interrupt(_done: int, tally: Tally) -> None:
        if tally.created >= 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        await Importer(catalog.database, path, on_progress=interrupt).run()
    assert 0 < len(await products(catalog)) < 8
    assert await _import(catalog, path) == Tally(created=8, rejected=2)
    assert len(await products(catalog)) == 8
    assert len(await announced(catalog)) == 16
    lines = [line for line, _ in _rejects(path)]
    assert lines == ([4, 16] if suffix == "csv" else [2, 8])


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
async def test_what_was_exported_imports_without_a_change(
    catalog: Catalog, tmp_path: Path, suffix: str
) -> None:
    names = ['Lamp, "bright"', "Stehlampe ü", "=1+1"]
    records: list[dict[str, Any]] = [
        LAMP | {"sku": f"A-{number}", "name": name, "categories": ["lamps", "sale"][:number]}
        for number, name in enumerate(names)
    ]
    records.append(LAMP | {"sku": "A-3", "price": "500", "currency": "JPY", "description": "a\nb"})
    await _import(catalog, _jsonl(tmp_path / "p.jsonl", records))
    out = tmp_path / f"out.{suffix}"
    assert await export(catalog.database, out) == 4
    assert await _import(catalog, out) == Tally(unchanged=4)
    assert _names(tmp_path, "*.partial") == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.csv", b"", "empty"),
        ("p.csv", b"sku,color\n", "unknown fields color"),
        ("p.csv", b"sku,sku\n", "a field twice"),
        ("p.xlsx", b"", "name it .csv or .jsonl"),
        ("p.jsonl", '{"sku": "A"}'.encode("utf-16"), "is UTF-16"),
        ("p.csv", "sku\nA\n".encode("utf-32"), "is UTF-32"),
    ],
)
@sqlite_suffices
async def test_a_file_that_is_none_of_ours_is_refused(
    catalog: Catalog, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=told):
        await _import(catalog, path)
    assert _names(tmp_path, "*.rejects.jsonl") == []


@sqlite_suffices
async def test_damaged_lines_of_a_csv_file_leave_their_neighbours_alone(
    catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(
        b"\xef\xbb\xbfsku,name,price,currency\n"
        b"A-1,Lamp,1.00,EUR\n"
        b"A-2,Lamp\n"
        b"A-3,\xff\xfe,1.00,EUR\n"
        b"A-4,Lamp,1.00,EUR\n"
    )
    assert await _import(catalog, path) == Tally(created=2, rejected=2)
    assert _rejects(path) == [(3, "it has 2 fields, the first line 4"), (4, "it is not UTF-8")]


async def test_nothing_is_left_of_the_progress_once_it_is_done(
    catalog: Catalog, tmp_path: Path
) -> None:
    await _import(catalog, _jsonl(tmp_path / "p.jsonl", [LAMP]))
    async with catalog.database.reading() as session:
        assert await ProductRepository(session).count() == 1
    assert await _import(catalog, tmp_path / "p.jsonl") == Tally(unchanged=1)
