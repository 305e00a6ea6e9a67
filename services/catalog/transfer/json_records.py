"""Records of a JSON Lines file: an object a line."""

import json
import math
from collections.abc import Iterator
from typing import IO, Any, NoReturn

from services.catalog.transfer.lines import lines
from services.catalog.transfer.records import Record

LONGEST_NUMBER = 100
"""Characters; no field of a product is a number at all."""

REJECT = frozenset({"line", "last_line", "reason", "record", "text"})
"""The keys of a line of a file of rejects, of which `text` is only there if `record` is null."""


def read_jsonl(file: IO[bytes], start: int, number: int) -> Iterator[Record]:
    """Read records from byte `start`, which is where line `number` begins.

    Blank lines are no records. Of a line of a file of rejects its record is read, so that it
    can be mended and imported as it is.
    """
    for line in lines(file, start, number):
        data, reason = None, line.problem
        if not reason:
            if not line.text.strip():
                continue
            data, reason = _read(line.text)
        text = "" if data is not None else line.text.rstrip("\r\n")
        yield Record(line.number, line.number, line.end, data, reason, text)


def _read(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        data = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON: {error}"
    if isinstance(data, dict) and data.keys() | {"text"} == REJECT:
        data = data["record"]
        if data is None:
            return None, "record: is null: write there what shall be imported"
    return (data, "") if isinstance(data, dict) else (None, "it is not a JSON object")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has the key {key[:LONGEST_NUMBER]!r} twice")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number there")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_no_number
)
