"""Export, then import: nothing changes, and Python's csv module reads what was exported."""

import csv
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalog.service import Catalog
from services.catalog.transfer.exporter import export
from services.catalog.transfer.importer import Importer, Tally

FORMULAS = frozenset("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}")
# The API refuses control characters, but for tabs and line ends in a description.
ONE_LINE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
ODD = st.sampled_from(
    [
        "",
        "=",
        "+",
        "-",
        "@",
        "'",
        "''",
        "'=",
        " =",
        '"',
        ",",
        ";",
        "\\",
        "\N{FULLWIDTH EQUALS SIGN}",
    ]
)
LINE = st.tuples(ODD, st.text(ONE_LINE, max_size=20)).map("".join)
TEXT = st.lists(st.sampled_from(["\t", "\r", "\n", "\r\n", "'", '"']) | LINE, max_size=8)
PRODUCTS = st.lists(
    st.fixed_dictionaries(
        {
            "sku": LINE,
            "name": LINE,
            "description": TEXT.map("".join),
            "price": st.just("1.00"),
            "currency": st.just("EUR"),
        }
    ),
    min_size=10,
    max_size=30,
)


@settings(
    max_examples=15,
    deadline=None,
    # Each example adds its products to those of the ones before.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drafts=PRODUCTS)
async def test_export_then_import_changes_nothing_whatever_the_api_accepts(
    catalog: Catalog, client: httpx2.AsyncClient, tmp_path: Path, drafts: list[dict[str, Any]]
) -> None:
    for draft in drafts:
        answer = await client.post("/v1/products", json=draft)
        assert answer.status_code in {201, 409, 422}
    expected: dict[str, dict[str, Any]] = {}
    after = ""
    while True:
        page = (await client.get(f"/v1/products?limit=100{after}")).json()
        expected |= {each["sku"]: each for each in page["items"]}
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    for suffix in ("csv", "jsonl"):
        path = tmp_path / f"out.{suffix}"
        assert await export(catalog.database, path) == len(expected)
        assert await Importer(catalog.database, path).run() == Tally(unchanged=len(expected))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    # By id, as an export is.
    stored = sorted(expected.values(), key=lambda each: each["id"])
    for row, product in zip(rows, stored, strict=True):
        for field in ("sku", "name", "description", "price", "currency"):
            assert row[field] in {product[field], f"'{product[field]}"}
            assert row[field][:1] not in FORMULAS


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''=1", "'tis", "-5", "@x", "+1", " =1"])
async def test_what_a_spreadsheet_would_run_is_written_so_that_it_shows_it(
    catalog: Catalog, client: httpx2.AsyncClient, tmp_path: Path, text: str
) -> None:
    draft = {"sku": "A", "name": text, "description": text, "price": "1.00", "currency": "EUR"}
    assert (await client.post("/v1/products", json=draft)).status_code == 201
    path = tmp_path / "out.csv"
    await export(catalog.database, path)
    with path.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file, strict=True)
    assert row["description"] == (text if text == "'tis" else f"'{text}")
    assert await Importer(catalog.database, path).run() == Tally(unchanged=1)
