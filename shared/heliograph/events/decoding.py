"""Reading what others wrote as an event: nothing is believed before it is checked.

`encoding` has the format, and writes it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

import typing_extensions
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from heliograph.bus import LARGEST_BODY
from heliograph.contract import EARLIEST, LATEST, Contract
from heliograph.errors import Malformed
from heliograph.events.details import Carrying, Data, Details
from heliograph.events.encoding import BESIDES, BESIDES_ID, body_start
from heliograph.events.event import Event
from heliograph.events.kind import EventKind
from heliograph.events.plain_json import check_json, unlike_json
from heliograph.events.versions import brought_up, reworded, written_as

C = TypeVar("C", bound=Contract)
D = typing_extensions.TypeVar("D", default=None)

KindOf = Callable[[str, str], EventKind]
"""Finds the kind of an event by its sender's name and its signal; `Malformed` if there is none."""

MAX_HEADER_LENGTH = 200
MOST_NESTED = 200_000
"""Lists and objects in one body: each costs thirty times its two bytes once it is read. A
hundred images whose texts are brackets have fewer."""

_TYPE = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+)\.([a-z0-9_]+)\.v([1-9][0-9]{0,3})")
_VERSION = re.compile(r"v([1-9][0-9]{0,3})")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEQUENCE = re.compile(r"[0-9.]{1,40}")


@dataclass(slots=True)
class _Attributes:
    """The attributes of a delivered event that can be read without its data."""

    id: str
    """The event's own: of a copy in a later version that of the oldest."""
    sender_name: str
    signal: str
    version: int
    besides: int | None
    subject: str
    time: datetime
    sequence: str | None
    traceparent: str | None


def _read_attributes(headers: Mapping[str, object]) -> _Attributes:
    """Read the CloudEvents attributes; raise `Malformed` naming the first that is wrong."""
    if _text(headers, "ce-specversion") != "1.0":
        raise Malformed("ce-specversion is not 1.0")
    sender_name, signal, version = _read_type(_text(headers, "ce-type"))
    try:
        time = datetime.fromisoformat(_text(headers, "ce-time"))
    except ValueError as error:
        raise Malformed("ce-time is not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise Malformed("ce-time has no zone")
    if not EARLIEST.year < time.year < LATEST.year:
        raise Malformed("ce-time is at an end of the calendar")
    id_, besides = _uuid(headers, "ce-id"), None
    if BESIDES in headers:
        id_, besides = _uuid(headers, BESIDES_ID), _version(_text(headers, BESIDES))
    sequence = None
    if "ce-subjectsequence" in headers:
        sequence = _text(headers, "ce-subjectsequence")
        if _SEQUENCE.fullmatch(sequence) is None:
            raise Malformed("ce-subjectsequence is not digits with a point")
    return _Attributes(
        id_,
        sender_name,
        signal,
        version,
        besides,
        _text(headers, "ce-subject"),
        time,
        sequence,
        _text(headers, "traceparent") if "traceparent" in headers else None,
    )


def _text(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"the header {name} is missing or not text")
    if len(value) > MAX_HEADER_LENGTH or not value.isprintable():
        raise Malformed(
            f"the header {name} is longer than {MAX_HEADER_LENGTH} characters or unprintable"
        )
    return value


def _uuid(headers: Mapping[str, object], name: str) -> str:
    written = _text(headers, name)
    if _UUID.fullmatch(written) is not None:
        return written
    try:
        return str(UUID(written))  # it has many spellings
    except ValueError as error:
        raise Malformed(f"{name} is not a UUID") from error


@lru_cache(maxsize=256)
def _read_type(name: str) -> tuple[str, str, int]:
    kind = _TYPE.fullmatch(name)
    if kind is None:
        raise Malformed("ce-type is not <service>.<sender>.<signal>.v<version>")
    return kind[1], kind[2], int(kind[3])


def _version(written: str) -> int:
    found = _VERSION.fullmatch(written)
    if found is None:
        raise Malformed(f"{BESIDES} is not v<version>")
    return int(found[1])


@cache
def _body(contract: type[Contract], data: type[BaseModel] | None) -> type[Data[Any]]:
    # Known at run time only.
    if data is None:
        return Data[contract]  # type: ignore[valid-type]
    return Carrying[contract, data]  # type: ignore[valid-type]


@dataclass(slots=True)
class _Read:
    """A message that is an event."""

    attributes: _Attributes
    contract: type[Contract]
    """As it is to be read; the snapshots are in the version in which they were written."""
    instance: Contract
    original: Contract | None
    data: BaseModel | None
    details: Details


def _read(headers: Mapping[str, object], body: bytes, kind_of: KindOf) -> _Read:
    attributes = _read_attributes(headers)
    kind = kind_of(attributes.sender_name, attributes.signal)
    contract = kind.contract
    if attributes.sender_name != contract.sender_name:
        raise Malformed(f"the sender is {attributes.sender_name}, not {contract.sender_name}")
    written: type[Contract] = contract
    if attributes.version != contract.contract_version:
        written = written_as(contract, attributes.version, attributes.besides)
    if len(body) > LARGEST_BODY:
        raise Malformed(f"the body has more than {LARGEST_BODY} bytes")
    if len(body) > MOST_NESTED and body.count(b"[") + body.count(b"{") > MOST_NESTED:
        raise Malformed(f"the body has more than {MOST_NESTED} lists and objects")
    instance: Contract
    original: Contract | None = None
    data: BaseModel | None = None
    details: Details
    try:
        if written.flat:
            instance = written.model_validate_json(body)
            details = Details.model_validate_json(body)
        else:
            read = _body(written, kind.data).model_validate_json(body)
            details, instance, original = read, read.instance, read.original
            data = getattr(read, "data", None)
    except ValidationError as error:
        raise Malformed(_complaint(error, body)) from error
    # Written out it would take three times as long.
    subject = attributes.subject
    if (
        _UUID.fullmatch(subject) is None
        or int(subject.replace("-", ""), 16) != instance.subject.int
    ):
        raise Malformed("ce-subject is not the instance's")
    return _Read(attributes, contract, instance, original, data, details)


def decode(
    headers: Mapping[str, object], body: bytes, contract: type[C], data: type[D] | None = None
) -> Event[C, D]:
    """Read an event whose instances are `contract`s, and that carries `data`.

    Raises `Malformed` with what is wrong.
    """
    carried = cast("type[BaseModel] | None", data)
    read = decode_for(headers, body, lambda _, signal: EventKind(signal, contract, carried))
    return cast("Event[C, D]", read)


def decode_for(headers: Mapping[str, object], body: bytes, kind_of: KindOf) -> Event[Contract, Any]:
    """Read an event as `decode` does, of the kind that its sender and signal tell.

    One in a version before the contract's is brought up. Raises `LaterVersion` for a copy that is
    to be left, as the event comes in a version that is read.
    """
    read = _read(headers, body, kind_of)
    attributes, details, contract = read.attributes, read.details, read.contract
    instance: Any = read.instance
    original: Any = read.original
    changes, update_fields = details.changes, details.update_fields
    if attributes.version != contract.contract_version:
        spoken = type(instance)
        instance = brought_up(instance, contract)
        original = None if original is None else brought_up(original, contract)
        changes, update_fields = reworded(changes, update_fields, spoken, original, instance)
    return Event(
        sender=contract,
        instance=instance,
        signal=attributes.signal,
        data=read.data,
        original=original,
        changes=changes,
        created=details.created,
        update_fields=update_fields,
        origin=details.origin,
        actor=details.actor,
        cascade=details.cascade,
        action=details.action,
        field=details.field,
        pk_set=details.pk_set,
        reverse=details.reverse,
        model=details.model,
        id=UUID(attributes.id),
        time=attributes.time,
        sequence=attributes.sequence,
        traceparent=attributes.traceparent,
        body=body,
    )


def admit(headers: Mapping[str, object], body: bytes, kind_of: KindOf) -> tuple[str, str, str]:
    """Check a message that has just arrived; return the event's id, subject and sender's name.

    Raises `Malformed` for what `decode_for` refuses before it brings anything up, and for JSON
    that two readers may understand differently or that cannot be stored as text; `LaterVersion`
    as `decode_for`.
    """
    read = _read(headers, body, kind_of)
    attributes = read.attributes
    # As `encode` writes it; else it is looked for.
    known = 2 if body.startswith(body_start(attributes.sender_name, attributes.signal)) else 0
    parts = (read.instance, read.details) if read.instance.flat else (read.details,)
    found = check_json(body, *parts, known=known)
    for name, value in (("sender", attributes.sender_name), ("signal", attributes.signal)):
        if found.get(name, value) != value:
            raise Malformed(f"the body's {name} is not that of ce-type")
    return attributes.id, attributes.subject, attributes.sender_name


def check_data(data: BaseModel, carried: type[BaseModel]) -> None:
    """Raise `ValueError` unless readers will take this for the data of an event."""
    written = to_json(data)
    try:
        check_json(written, carried.model_validate_json(written))
    except ValidationError as error:
        raise ValueError(_complaint(error, written)) from error
    except Malformed as error:
        raise ValueError(str(error)) from error


def _complaint(error: ValidationError, body: bytes) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {unlike_json(body) or first['ctx']['error']}"
    if not first["loc"]:
        return "the body is not a JSON object"
    # A key may be of any length, and anybody's.
    place = ".".join(str(part)[:40] for part in first["loc"])
    return f"the body's {place}: {first['msg']}"
