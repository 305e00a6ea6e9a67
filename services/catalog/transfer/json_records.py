"""Records of a JSON Lines file: an object a line."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import IO, Any, NoReturn

from services.catalog.transfer.lines import LONGEST_LINE, lines
from services.catalog.transfer.records import Record

LONGEST_NUMBER = 100
"""Characters; no field of a product is a number at all."""

DEEPEST = 50
"""Objects and arrays within each other; a product has two, and what is read must be told again."""

LONGEST_JSON = 8 * LONGEST_LINE
"""Bytes of a line: that of a reject has six for each of an unreadable line."""

REJECT = frozenset({"line", "last_line", "reason", "record", "text"})
"""The keys of a line of a file of rejects, of which `text` is only there if `record` is null."""


def read_jsonl(file: IO[bytes], start: int, number: int) -> Iterator[Record]:
    """Read records from byte `start`, which is where line `number` begins.

    Blank lines are no records. Of a line of a file of rejects its record is read, so that it
    can be mended and imported as it is.
    """
    for line in lines(file, start, number, longest=LONGEST_JSON):
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
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(data):
        return None, "it is nested too deeply"
    # Not written as UTF-8, it would be told as something else.
    if "\\ud" in text.lower() and _is_torn(data):
        return None, "a text has half of a pair of surrogates"
    if isinstance(data, dict) and data.keys() | {"text"} == REJECT:
        data = data["record"]
        if data is None:
            return None, "record: is null: write there what shall be imported"
    return (data, "") if isinstance(data, dict) else (None, "it is not a JSON object")


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return False
    return True


def _is_torn(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


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
