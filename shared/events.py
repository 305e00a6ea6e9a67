"""Events: what receivers are given, and how one travels.

On the wire an event is a CloudEvent 1.0 in binary mode: its attributes are message
headers with the prefix `ce-`, its data is the JSON body. The format is a public
promise; `docs/schemas/` holds its JSON Schemas.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import uuid_utils.compat as uuid_utils
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from shared.bus import Message
from shared.contracts import Changes, Contract, rfc3339
from shared.errors import Malformed

T = TypeVar("T")
C = TypeVar("C", bound=Contract)

CONTENT_TYPE = "application/json"
TYPE_VERSION = "v1"
MAX_BODY_BYTES = 16 * 1024 * 1024


def new_id() -> UUID:
    """Make a UUIDv7: unique without asking anybody, and ascending in time."""
    return uuid_utils.uuid7()


@dataclasses.dataclass(slots=True, kw_only=True)
class Event(Generic[T]):
    """One thing that happens or happened to an instance of `sender`.

    In the process (`sender` from `models`) `instance` is the live row, and receivers of
    `pre_save` may alter it; `original` is always a frozen snapshot. Behind the bus
    (`sender` from `contracts`) both are frozen snapshots.
    """

    sender: type[T]
    instance: T
    signal: str = ""
    """Name of the signal; `Signal.send` fills it in."""
    original: Any = None
    """Snapshot of the instance before the change; None where there is no before."""
    changes: Changes | None = None
    """What differs between `original` and the instance; None where there is no before."""
    created: bool | None = None
    update_fields: tuple[str, ...] | None = None
    origin: str | None = None
    """`"batch"`, `"import"`, or None for a single write."""
    actor: str | None = None
    """Subject of the token with which the change was made."""
    action: str | None = None
    """m2m_changed only: `pre_add`, `post_add`, `pre_remove`, … `post_clear`."""
    field: str | None = None
    """m2m_changed only: the relation's name."""
    pk_set: frozenset[UUID] | None = None
    """m2m_changed only: the ids added or removed; None for clear."""
    id: UUID = dataclasses.field(default_factory=new_id)
    time: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))
    version: int | None = None
    """The subject's version that this change makes; None for signals without an order."""
    sequence: str | None = None
    """`%012d.%04d` of the subject's version and the place within that change; sorts as text."""
    traceparent: str | None = None
    snapshot: Contract | None = None
    """In the process: the public copy of `instance` that goes out on the bus."""


def sequence(version: int, place: int) -> str:
    """Write a subject's version and the place within that change so that text order is order."""
    return f"{version:012d}.{place:04d}"


def routing_key(sender_name: str, signal: str) -> str:
    """Address an event on the sender's exchange: `catalog.product.post_save`."""
    return f"{sender_name}.{signal}"


def event_type(sender_name: str, signal: str) -> str:
    """Name the format of an event, `ce-type`; a change that breaks readers counts up."""
    return f"{sender_name}.{signal}.{TYPE_VERSION}"


def exchange(sender_name: str) -> str:
    """Name the topic exchange on which the sender's service announces."""
    return f"{sender_name.partition('.')[0]}.events"


class _Address(NamedTuple):
    """What all events of a sender and a signal have in common."""

    exchange: str
    routing_key: str
    headers: dict[str, str]
    start: bytes
    """The body's."""


@cache
def _address(sender_name: str, signal: str) -> _Address:
    headers = {
        "ce-specversion": "1.0",
        "ce-source": "/" + sender_name.partition(".")[0],
        "ce-type": event_type(sender_name, signal),
    }
    start = to_json({"sender": sender_name, "signal": signal})
    return _Address(
        exchange(sender_name), routing_key(sender_name, signal), headers, start[:-1] + b","
    )


class Encoder:
    """Writes events as the messages that leave on the bus, from their `snapshot`s.

    The events of one change differ in their signal only: what else they say is written
    once for the encoder's life, that of a transaction.
    """

    def __init__(self) -> None:
        self._contents: dict[UUID, tuple[dict[str, Any], str, bytes]] = {}

    def encode(self, event: Event[Any]) -> Message:
        """Write one event; raise `TypeError` if it has no snapshot."""
        snapshot = event.snapshot
        if snapshot is None:
            raise TypeError(f"an event of {event.sender.__name__} has no snapshot to announce")
        address = _address(snapshot.sender_name, event.signal)
        subject, content = self._content(event, snapshot)
        id_ = str(event.id)
        headers = {
            **address.headers,
            "ce-id": id_,
            "ce-subject": subject,
            "ce-time": rfc3339(event.time),
        }
        if event.sequence is not None:
            headers["ce-subjectsequence"] = event.sequence
        if event.traceparent is not None:
            headers["traceparent"] = event.traceparent
        return Message(
            id=id_,
            exchange=address.exchange,
            routing_key=address.routing_key,
            headers=headers,
            body=address.start + content,
        )

    def _content(self, event: Event[Any], snapshot: Contract) -> tuple[str, bytes]:
        """Write the subject, and what the body says after its start."""
        content = _content(event, snapshot)
        known = self._contents.get(snapshot.subject)
        if known is not None and known[0] == content:
            return known[1:]
        written = str(snapshot.subject), to_json(content)[1:]
        self._contents[snapshot.subject] = content, *written
        return written


def encode(event: Event[Any]) -> Message:
    """Write a single event as the message that leaves on the bus."""
    return Encoder().encode(event)


def _content(event: Event[Any], snapshot: Contract) -> dict[str, Any]:
    """What the body says besides the sender and the signal."""
    if snapshot.flat:
        body = snapshot.model_dump(mode="json")
    else:
        body = {
            "created": event.created,
            "instance": snapshot,
            "original": event.original,
            "changes": event.changes,
            "update_fields": event.update_fields,
            "origin": event.origin,
        }
        if event.action is not None:
            pk_set = event.pk_set
            body |= {
                "action": event.action,
                "field": event.field,
                "pk_set": None if pk_set is None else sorted(pk_set),
            }
    body["actor"] = event.actor
    return body


_TYPE = re.compile(r"([a-z0-9_]+\.[a-z0-9_]+)\.([a-z0-9_]+)\.v([0-9]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of a delivered event that can be read without its data."""

    id: str
    sender_name: str
    signal: str
    subject: str
    time: datetime
    sequence: str | None
    traceparent: str | None


def open_envelope(headers: Mapping[str, object]) -> Envelope:
    """Read the CloudEvents attributes; raise `Malformed` naming the first that is wrong."""

    def text(name: str, limit: int = 200) -> str:
        value = headers.get(name)
        if not isinstance(value, str) or not value:
            raise Malformed(f"the header {name} is missing or not text")
        if len(value) > limit or not value.isprintable():
            raise Malformed(f"the header {name} is longer than {limit} characters or unprintable")
        return value

    if text("ce-specversion") != "1.0":
        raise Malformed("ce-specversion is not 1.0")
    kind = _TYPE.fullmatch(text("ce-type"))
    if kind is None or f"v{kind[3]}" != TYPE_VERSION:
        raise Malformed(f"ce-type is not <service>.<sender>.<signal>.{TYPE_VERSION}")
    try:
        time = datetime.fromisoformat(text("ce-time"))
    except ValueError as error:
        raise Malformed("ce-time is not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise Malformed("ce-time has no zone")
    return Envelope(
        id=text("ce-id"),
        sender_name=kind[1],
        signal=kind[2],
        subject=text("ce-subject"),
        time=time,
        sequence=text("ce-subjectsequence") if "ce-subjectsequence" in headers else None,
        traceparent=text("traceparent") if "traceparent" in headers else None,
    )


def decode(headers: Mapping[str, object], body: bytes, contract: type[C]) -> Event[C]:
    """Read an event whose instances are `contract`s; raise `Malformed` with what is wrong."""
    return decode_body(open_envelope(headers), body, contract)


def decode_body(envelope: Envelope, body: bytes, contract: type[C]) -> Event[C]:
    """Read an event whose envelope is open, as `decode` does."""
    if envelope.sender_name != contract.sender_name:
        raise Malformed(f"the sender is {envelope.sender_name}, not {contract.sender_name}")
    if len(body) > MAX_BODY_BYTES:
        raise Malformed(f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        data = from_json(body)
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Malformed("the body is not a JSON object")
    try:
        return _event(envelope, data, contract)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"the body's {where or 'data'}: {first['msg']}") from error
    except (TypeError, ValueError) as error:
        raise Malformed(f"the body does not describe an event: {error}") from error


def _event(envelope: Envelope, data: dict[str, Any], contract: type[C]) -> Event[C]:
    original, pk_set = data.get("original"), data.get("pk_set")
    fields = data.get("update_fields")
    return Event(
        sender=contract,
        instance=contract.model_validate(data if contract.flat else data.get("instance")),
        signal=envelope.signal,
        original=None if original is None else contract.model_validate(original),
        changes=data.get("changes"),
        created=data.get("created"),
        update_fields=None if fields is None else tuple(fields),
        origin=data.get("origin"),
        actor=data.get("actor"),
        action=data.get("action"),
        field=data.get("field"),
        pk_set=None if pk_set is None else frozenset(UUID(each) for each in pk_set),
        id=UUID(envelope.id),
        time=envelope.time,
        sequence=envelope.sequence,
        traceparent=envelope.traceparent,
    )


def headers_to_json(headers: Mapping[str, object]) -> str:
    """Write any message's headers as JSON; what JSON does not know is written as its `repr`."""
    return json.dumps(dict(headers), default=repr)
