"""Reading what others wrote as an event: nothing is believed before it is checked.

`encoding` has the format, and writes it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from heliograph.contract import Changes, Contract
from heliograph.errors import Malformed
from heliograph.events.encoding import TYPE_VERSION
from heliograph.events.event import Event

C = TypeVar("C", bound=Contract)

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_HEADER_LENGTH = 200

_TYPE = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+)\.([a-z0-9_]+)\.v([0-9]+)")


@dataclass(slots=True)
class _Attributes:
    """The attributes of a delivered event that can be read without its data."""

    id: str
    sender_name: str
    signal: str
    subject: str
    time: datetime
    sequence: str | None
    traceparent: str | None


def _read_attributes(headers: Mapping[str, object]) -> _Attributes:
    """Read the CloudEvents attributes; raise `Malformed` naming the first that is wrong."""
    if _text(headers, "ce-specversion") != "1.0":
        raise Malformed("ce-specversion is not 1.0")
    sender_name, signal = _read_type(_text(headers, "ce-type"))
    try:
        time = datetime.fromisoformat(_text(headers, "ce-time"))
    except ValueError as error:
        raise Malformed("ce-time is not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise Malformed("ce-time has no zone")
    return _Attributes(
        _text(headers, "ce-id"),
        sender_name,
        signal,
        _text(headers, "ce-subject"),
        time,
        _text(headers, "ce-subjectsequence") if "ce-subjectsequence" in headers else None,
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


@lru_cache(maxsize=256)
def _read_type(name: str) -> tuple[str, str]:
    kind = _TYPE.fullmatch(name)
    if kind is None or f"v{kind[3]}" != TYPE_VERSION:
        raise Malformed(f"ce-type is not <service>.<sender>.<signal>.{TYPE_VERSION}")
    return kind[1], kind[2]


class _Details(BaseModel):
    """What the data says besides the snapshots."""

    changes: Changes | None = None
    created: bool | None = None
    update_fields: tuple[str, ...] | None = None
    origin: str | None = None
    actor: str | None = None
    action: str | None = None
    field: str | None = None
    pk_set: frozenset[UUID] | None = None


class _Data(_Details, Generic[C]):
    instance: C
    original: C | None = None


@cache
def _data_about(contract: type[Contract]) -> type[_Data[Any]]:
    return _Data[contract]  # type: ignore[valid-type]  # known at run time only


def decode(headers: Mapping[str, object], body: bytes, contract: type[C]) -> Event[C]:
    """Read an event whose instances are `contract`s; raise `Malformed` with what is wrong."""
    return decode_for(headers, body, lambda _sender_name, _signal: contract)


def decode_for(
    headers: Mapping[str, object], body: bytes, contract_of: Callable[[str, str], type[C]]
) -> Event[C]:
    """Read an event as `decode` does, of the contract for its sender and signal."""
    attributes = _read_attributes(headers)
    contract = contract_of(attributes.sender_name, attributes.signal)
    if attributes.sender_name != contract.sender_name:
        raise Malformed(f"the sender is {attributes.sender_name}, not {contract.sender_name}")
    if len(body) > MAX_BODY_BYTES:
        raise Malformed(f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        id_ = UUID(attributes.id)
    except ValueError as error:
        raise Malformed("ce-id is not a UUID") from error
    original: C | None = None
    try:
        if contract.flat:
            instance = contract.model_validate_json(body)
            details = _Details.model_validate_json(body)
        else:
            data = _data_about(contract).model_validate_json(body)
            details, instance, original = data, data.instance, data.original
    except ValidationError as error:
        raise Malformed(_complaint(error)) from error
    if str(instance.subject) != attributes.subject:
        raise Malformed("ce-subject is not the instance's")
    return Event(
        sender=contract,
        instance=instance,
        signal=attributes.signal,
        original=original,
        changes=details.changes,
        created=details.created,
        update_fields=details.update_fields,
        origin=details.origin,
        actor=details.actor,
        action=details.action,
        field=details.field,
        pk_set=details.pk_set,
        id=id_,
        time=attributes.time,
        sequence=attributes.sequence,
        traceparent=attributes.traceparent,
    )


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['ctx']['error']}"
    if not first["loc"]:
        return "the body is not a JSON object"
    return f"the body's {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def headers_to_json(headers: Mapping[str, object]) -> bytes:
    """Write any message's headers as JSON; what JSON does not know is written as its `repr`."""
    try:
        return to_json(dict(headers), fallback=repr)
    except PydanticSerializationError:  # bytes that are no text
        return json.dumps(dict(headers), default=repr).encode()
