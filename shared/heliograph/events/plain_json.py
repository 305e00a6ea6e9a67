"""JSON as strangers send it."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Annotated, Any, NoReturn, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from pydantic_core import from_json, to_json

from heliograph.errors import Malformed

# Behind an even number of backslashes: after an odd one it is text about an escape.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def check_json(body: bytes, *read: BaseModel, known: int = 0) -> Mapping[str, Any]:
    """Raise `Malformed` for a name that stands twice in an object, NaN, infinity and NUL.

    Readers differ in which of two values they take, most have no NaN, and PostgreSQL's text has
    no NUL. `read` is what was read from the body, `known` how many names besides: with as many
    as stand there, none does twice, and that is found out in a third of the time that it takes to
    look for one. Returns the body's object if it was looked for, else an empty one.
    """
    # A single byte is looked for ten times as fast as several.
    if b"\\" in body and b"\\u0000" in body and _NUL.search(body):
        raise Malformed("the body has a NUL in a text")
    odd = (b"N" in body and b"NaN" in body) or (b"I" in body and b"Infinity" in body)
    if not odd and _most_names(body) == _names(read) + known:
        return {}
    try:
        found: dict[str, Any] = _STRICT.decode(body.decode())
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    return found


def _most_names(body: bytes) -> int:
    """How many names stand in all objects of a JSON text, or more than that."""
    # Within a text a break is written as an escape, and so is a quote.
    if b" :" in body or b"\n" in body or b"\r" in body or b"\t" in body:
        return body.count(b":")
    return body.count(b'":')


def _names(value: Any) -> int:
    """How many names stand in all objects of what was read."""
    kind = type(value)
    count = 0
    if kind is tuple or kind is list:
        for each in value:
            count += _names(each)
    elif kind is dict:
        count = len(value) + _names([*value.values()])
    elif names := getattr(value, "__pydantic_fields_set__", None):
        count = len(names)
        for name in _nesting(kind):  # type: ignore[arg-type]  # a type has a hash
            count += _names(getattr(value, name))
    return count


_PLAIN = {str, int, float, bool, NoneType, Decimal, UUID, datetime, AwareDatetime, Ellipsis}


@cache
def _nesting(model: Any) -> tuple[str, ...]:
    """The fields in which objects can stand."""
    return tuple(
        name for name, field in model.model_fields.items() if not _is_plain(field.annotation)
    )


def _is_plain(annotation: Any) -> bool:
    """Whether values are single ones, or several that are, as ids are."""
    if get_origin(annotation) is Annotated:
        return _is_plain(annotation.__origin__)
    inner = get_args(annotation)
    return annotation in _PLAIN or (bool(inner) and all(map(_is_plain, inner)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Malformed(f"the body has the name {name[:40]!r} twice in an object")
        found[name] = value
    return found


def refuse_constant(constant: str) -> NoReturn:
    """Refuse NaN or infinity: for `json`'s `parse_constant`."""
    raise ValueError(f"{constant} is no number")


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_constant=refuse_constant)


def unlike_json(body: bytes) -> str | None:
    """Name what a body is that does not begin as JSON does, if it is something known."""
    if body.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip"
    if body.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        return "it is not UTF-8"
    return None


def headers_to_json(headers: Mapping[str, object]) -> bytes:
    """Write any message's headers as JSON; what JSON does not know is written as text."""
    try:
        written = to_json(dict(headers), fallback=repr, inf_nan_mode="strings")
        if {*map(type, headers.values())} != {str}:
            from_json(written)  # fewer tables in tables can be read than written
    except ValueError:  # those, or bytes that are no text
        return to_json({_told(name): _told(value) for name, value in headers.items()})
    return written


def _told(value: object) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} that is nested too deeply"
    return text.encode("utf-8", "replace").decode()
