"""The files: CSV with a header line, or JSON Lines; one product a record.

`categories` holds slugs, in CSV separated by spaces. A record that cannot be read is
still a record: it keeps its line and says what is wrong with it.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import contracts
from services.catalog.transfer.cells import guarded
from services.catalog.transfer.csv_records import read_csv
from services.catalog.transfer.json_records import read_jsonl
from services.catalog.transfer.records import FIELDS, Record, UnreadableFile

Format = Literal["csv", "jsonl"]

# The longer ones first: one begins with another.
_MARKS = {
    "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}


def format_of(path: Path) -> Format:
    """Tell the format by the file's name; raise `UnreadableFile` if it does not say."""
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".jsonl" | ".ndjson":
            return "jsonl"
        case _:
            raise UnreadableFile(
                f"{path.name}: name it .csv or .jsonl, so that its format is known"
            )


def read(file: IO[bytes], format_: Format, start: int = 0, line: int = 1) -> Iterator[Record]:
    """Read records from byte `start`, which is on line `line` and between two records.

    Raises `UnreadableFile`.
    """
    file.seek(0)
    mark = file.read(4)
    for name, marks in _MARKS.items():
        if mark.startswith(marks):
            raise UnreadableFile(f"the file is {name}: save it as UTF-8")
    return (read_csv if format_ == "csv" else read_jsonl)(file, start, line)


def writer(file: IO[bytes], format_: Format) -> Callable[[contracts.Product, list[str]], None]:
    """Begin a file; what is returned writes one product and its categories' slugs."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    if format_ == "csv":
        rows = csv.DictWriter(text, FIELDS)
        rows.writeheader()

        def write_csv(product: contracts.Product, slugs: list[str]) -> None:
            cells = _fields(product) | {"categories": " ".join(slugs)}
            rows.writerow({name: guarded(cell) for name, cell in cells.items()})

        return write_csv

    def write_json(product: contracts.Product, slugs: list[str]) -> None:
        record = _fields(product) | {"categories": slugs}
        text.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")

    return write_json


def _fields(product: contracts.Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "price": str(product.price),
        "currency": product.currency,
    }
