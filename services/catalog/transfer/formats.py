"""The files: CSV with a header line, or JSON Lines; one product a record.

`categories` holds slugs, in CSV separated by spaces. A record that cannot be read is
still a record: it keeps its line and says what is wrong with it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import contracts
from services.catalog.errors import CatalogError

Format = Literal["csv", "jsonl"]

FIELDS = ("sku", "name", "description", "price", "currency", "categories")

LONGEST_LINE = 1_000_000
"""Bytes; no product has as many, so a longer line is a damaged file."""


class UnreadableFile(CatalogError):
    """The file as a whole is not what it should be."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a file; `data` is None if it cannot be read, and `reason` says why."""

    line: int
    """The line on which it begins, from 1."""
    end: int
    """The byte behind it: where to go on."""
    end_line: int
    """The line behind it."""
    data: dict[str, Any] | None
    reason: str | None = None


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
    """Read records from byte `start`, which is on line `line` and between two records."""
    reader = _read_csv if format_ == "csv" else _read_jsonl
    return reader(file, start, line)


class _Lines:
    """Lines of a file as text, and how far they have been read."""

    def __init__(self, file: IO[bytes], start: int, line: int) -> None:
        self._file = file
        self.position, self.line = start, line
        self._broken: str | None = None
        file.seek(start)

    def problem(self) -> str | None:
        """Say what is wrong with the lines read since this was last asked."""
        problem, self._broken = self._broken, None
        return problem

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LONGEST_LINE)
        if not raw:
            raise StopIteration
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            raise UnreadableFile(f"line {self.line} has more than {LONGEST_LINE} bytes")
        self.position += len(raw)
        self.line += 1
        try:
            return raw.decode("utf-8-sig" if self.position == len(raw) else "utf-8")
        except UnicodeDecodeError:
            self._broken = "it is not UTF-8"
            return raw.decode("utf-8", "replace")


def _read_jsonl(file: IO[bytes], start: int, line: int) -> Iterator[Record]:
    lines = _Lines(file, start, line)
    for text in lines:
        number = lines.line - 1
        if not text.strip():
            continue
        data, reason = None, lines.problem()
        if reason is None:
            try:
                data = json.loads(text)
            except (ValueError, RecursionError) as error:
                reason = f"it is not JSON: {error}"
            else:
                if not isinstance(data, dict):
                    data, reason = None, "it is not a JSON object"
        yield Record(number, lines.position, lines.line, data, reason)


def _read_csv(file: IO[bytes], start: int, line: int) -> Iterator[Record]:
    header_lines = _Lines(file, 0, 1)
    header = next(csv.reader(header_lines), None)
    if header is None:
        raise UnreadableFile("the file is empty: a CSV file begins with a line of field names")
    unknown = sorted(set(header) - {*FIELDS, "id"})
    if unknown or len(set(header)) < len(header):
        what = f"unknown fields {', '.join(unknown)}" if unknown else "a field twice"
        raise UnreadableFile(f"the first line names {what}; known are {', '.join(FIELDS)}")
    lines = _Lines(file, max(start, header_lines.position), max(line, header_lines.line))
    rows = csv.reader(lines, strict=True)
    while True:
        number = lines.line
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Record(number, lines.position, lines.line, None, f"it is not CSV: {error}")
            rows = csv.reader(lines, strict=True)
            continue
        if row is None:
            return
        if not row:
            continue
        reason = lines.problem()
        if reason is None and len(row) != len(header):
            reason = f"it has {len(row)} fields, the first line {len(header)}"
        data = None if reason else _from_csv(dict(zip(header, row, strict=True)))
        yield Record(number, lines.position, lines.line, data, reason)


def _from_csv(row: dict[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = dict(row)
    if "categories" in data:
        data["categories"] = data["categories"].split()
    return data


def writer(file: IO[bytes], format_: Format) -> Callable[[contracts.Product, list[str]], None]:
    """Begin a file; what is returned writes one product and its categories' slugs."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    if format_ == "csv":
        rows = csv.DictWriter(text, FIELDS)
        rows.writeheader()

        def write_csv(product: contracts.Product, slugs: list[str]) -> None:
            rows.writerow(_fields(product) | {"categories": " ".join(slugs)})

        return write_csv

    def write_json(product: contracts.Product, slugs: list[str]) -> None:
        record = _fields(product) | {"categories": slugs}
        text.write(json.dumps(record, ensure_ascii=False) + "\n")

    return write_json


def _fields(product: contracts.Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "price": str(product.price),
        "currency": product.currency,
    }
