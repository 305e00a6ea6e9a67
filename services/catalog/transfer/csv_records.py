"""Records of a CSV file: a line of field names, then a product a record."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from services.catalog.transfer.cells import unguarded
from services.catalog.transfer.lines import Line, lines
from services.catalog.transfer.records import FIELDS, Record, UnreadableFile

DELIMITERS = ",;\t"
"""Spreadsheets write the second where a comma is the decimal sign."""

KNOWN = frozenset({*FIELDS, "id"})
NAMED = 5
"""Most field names that a message repeats, and of each most characters."""
NAMED_CHARACTERS = 40


def read_csv(file: IO[bytes], start: int, number: int) -> Iterator[Record]:
    """Read records from byte `start`, which is on line `number` and between two records.

    Blank lines and rows of empty cells are no records. If a quote is open, only the line that
    opens it is rejected: reading goes on with the next. Raises `UnreadableFile`.
    """
    # At once, not with the first record: nothing else is begun with a file that is refused.
    header = _header(file)
    begin, first = max(start, header.line.end), max(number, header.line.number + 1)
    return _records(_Source(lines(file, begin, first)), header)


def _records(source: "_Source", header: "_Header") -> Iterator[Record]:
    while True:
        taken: list[Line] = []
        row, misfit = _row(source, taken, header)
        if not taken:
            return
        problems = [line.problem for line in taken if line.problem]
        if not problems and row is not None and not any(cell.strip() for cell in row):
            continue
        # Only a description goes on over line ends. Anything else that does may be a quote that
        # was never closed, and the lines behind it records of their own.
        if len(taken) > 1 and (misfit or not all(line.text for line in taken)):
            source.give_back(taken[1:])
            taken = taken[:1]
            reason = taken[0].problem or f"{misfit or problems[0]}; a quote may be open"
        else:
            reason = problems[0] if problems else misfit
        yield Record(
            line=taken[0].number,
            last_line=taken[-1].number,
            end=taken[-1].end,
            data=None if reason or row is None else _data(header.names, row),
            reason=reason,
            text="".join(line.text for line in taken).rstrip("\r\n"),
        )


@dataclass(frozen=True, slots=True)
class _Header:
    line: Line
    names: Sequence[str]
    delimiter: str


class _Source:
    """Lines, of which some may be given back."""

    def __init__(self, new: Iterator[Line]) -> None:
        self._new = new
        self._back: deque[Line] = deque()

    def give_back(self, given: Sequence[Line]) -> None:
        self._back.extendleft(reversed(given))

    def taking(self, taken: list[Line]) -> Iterator[str]:
        """The texts of the next lines, each of which is added to `taken` when it is read."""
        while True:
            line = self._back.popleft() if self._back else next(self._new, None)
            if line is None:
                return
            taken.append(line)
            yield line.text


def _row(source: _Source, taken: list[Line], header: _Header) -> tuple[list[str] | None, str]:
    """Read a row, None if it is not CSV, and what does not fit the header."""
    try:
        row = next(csv.reader(source.taking(taken), delimiter=header.delimiter, strict=True), [])
    except csv.Error as error:
        return None, f"it is not CSV: {error}"
    # Some spreadsheets write every row as wide as the widest.
    while len(row) > len(header.names) and not row[-1].strip():
        row.pop()
    if len(row) != len(header.names):
        return row, f"it has {len(row)} fields, the first line {len(header.names)}"
    for name, cell in zip(header.names, row, strict=True):
        if name != "description" and ("\n" in cell or "\r" in cell):
            return row, f"{name}: Must be one line"
    return row, ""


def _data(names: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    data: dict[str, Any] = {name: unguarded(cell) for name, cell in zip(names, row, strict=True)}
    if "categories" in data:
        data["categories"] = data["categories"].split()
    return data


def _header(file: IO[bytes]) -> _Header:
    """Find the line of field names and what parts them; raise `UnreadableFile`."""
    blank = f' {DELIMITERS}\r\n"'
    line = next((each for each in lines(file) if each.problem or each.text.strip(blank)), None)
    if line is None:
        raise UnreadableFile("the file is empty: a CSV file begins with a line of field names")
    if line.problem:
        raise UnreadableFile(f"the first line names no fields: {line.problem}")
    names, delimiter = max(
        ((_names(line.text, each), each) for each in DELIMITERS),
        key=lambda found: len(KNOWN.intersection(found[0])),
    )
    if wrong := _wrong(names):
        raise UnreadableFile(f"the first line {wrong}; known are {', '.join(FIELDS)}")
    return _Header(line, names, delimiter)


def _names(text: str, delimiter: str) -> list[str]:
    """The names of the fields; none if the line is not CSV with this delimiter."""
    try:
        [row] = csv.reader([text], delimiter=delimiter, strict=True)
    except csv.Error:
        return []
    names = [cell.strip().lower() for cell in row]
    while names and not names[-1]:
        names.pop()
    return names


def _wrong(names: Sequence[str]) -> str:
    """What is wrong with the names of the fields, if anything is."""
    unknown = sorted(set(names) - KNOWN)
    if not names:
        return "is not CSV"
    if unknown == [""]:
        return "has a column without a name"
    if unknown:
        named = [repr(name[:NAMED_CHARACTERS])[1:-1] for name in unknown[:NAMED]]
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        return f"names unknown fields {', '.join(named)}{more}"
    if len(set(names)) < len(names):
        return "names a field twice"
    return "" if "sku" in names else "does not name the field sku"
