"""Writing an event as the message that leaves on the bus.

On the wire an event is a CloudEvent 1.0 in binary mode: its attributes are message
headers with the prefix `ce-`, its data is the JSON body. The format is a public
promise; `docs/schemas/` holds its JSON Schemas, and `decoding` reads it.
"""

import json
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, TypeVar
from uuid import uuid5

from pydantic_core import to_json

from heliograph.bus import LARGEST_BODY, Message
from heliograph.contract import Contract, announced_as, rfc3339
from heliograph.errors import EventTooLarge
from heliograph.events.event import Event, new_id
from heliograph.events.plain_json import refuse_constant
from heliograph.events.versions import versions

T = TypeVar("T")

CONTENT_TYPE = "application/json"

BESIDES = "ce-besides"
"""The oldest version in which the event of a later one is announced too: `v1`."""
BESIDES_ID = "ce-besidesid"
"""The `ce-id` of the copy in that version: the event's own, of which all are copies."""

MAX_BODY_BYTES = LARGEST_BODY
"""Of an event: no reader takes more. A change that would announce a larger one is refused."""


def sequence(version: int, place: int) -> str:
    """Write a subject's version and the place within that change so that text order is order."""
    return f"{version:012d}.{place:04d}"


def routing_key(sender_name: str, signal: str, version: int = 1) -> str:
    """Address an event on the sender's exchange: `catalog.product.post_save`, `…post_save.v2`."""
    return f"{sender_name}.{signal}" if version == 1 else f"{sender_name}.{signal}.v{version}"


def event_type(sender_name: str, signal: str, version: int = 1) -> str:
    """Name the format of an event, `ce-type`; a change that breaks readers counts up."""
    return f"{sender_name}.{signal}.v{version}"


def exchange(sender_name: str) -> str:
    """Name the topic exchange on which the sender's service announces."""
    return f"{sender_name.partition('.')[0]}.events"


@cache
def body_start(sender_name: str, signal: str) -> bytes:
    """What begins the body of every event of a sender and a signal."""
    return to_json({"sender": sender_name, "signal": signal})[:-1] + b","


class _Address(NamedTuple):
    """What all events of a contract and a signal have in common."""

    exchange: str
    routing_key: str
    headers: dict[str, str]
    start: bytes
    """The body's."""
    beside: bool
    """Whether they are announced in an older version too."""


@cache
def _address(contract: type[Contract], signal: str) -> _Address:
    sender_name, version = contract.sender_name, contract.contract_version
    headers = {
        "ce-specversion": "1.0",
        "ce-source": "/" + sender_name.partition(".")[0],
        "ce-type": event_type(sender_name, signal, version),
    }
    oldest = announced_as(contract)[-1].contract_version
    if oldest < version:
        headers[BESIDES] = f"v{oldest}"
    return _Address(
        exchange(sender_name),
        routing_key(sender_name, signal, version),
        headers,
        body_start(sender_name, signal),
        oldest < version,
    )


def messages(event: Event[Any, Any]) -> list[Message]:
    """Write an event as the messages that leave on the bus.

    They are one for each version in which it is announced, the newest first. Raises as `encode`,
    and `TypeError` for a `downcast` that gives something else than `before`'s snapshot.
    """
    if event.snapshot is None or len(announced_as(type(event.snapshot))) == 1:
        return [encode(event)]
    return [encode(each) for each in versions(event)]


def encode(event: Event[Any, Any]) -> Message:
    """Write an event as a message in its snapshot's version, and no other.

    Raises `TypeError` without a snapshot, `ValueError` if it holds NaN or infinity, and
    `EventTooLarge`.
    """
    snapshot = event.snapshot
    if snapshot is None:
        raise TypeError(f"an event of {event.sender.__name__} has no snapshot to announce")
    address = _address(type(snapshot), event.signal)
    id_ = str(event.id)
    headers = {
        **address.headers,
        "ce-id": id_,
        "ce-subject": str(snapshot.subject),
        "ce-time": rfc3339(event.time),
    }
    if address.beside:
        headers[BESIDES_ID] = id_
        headers["ce-id"] = id_ = str(uuid5(event.id, headers["ce-type"]))
    if event.sequence is not None:
        headers["ce-subjectsequence"] = event.sequence
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    return Message(
        id=id_,
        exchange=address.exchange,
        routing_key=address.routing_key,
        headers=headers,
        body=_sized(address.start + _content(event), event),
    )


def follow_up(event: Event[T]) -> Event[T]:
    """Copy an event for the next signal of its change, under an id of its own.

    What both say is written now, once for the two: from here on neither says anything else.
    Raises `EventTooLarge`, so that whoever makes many changes hears it of the one.
    """
    _sized(_content(event), event)
    return replace(event, id=new_id())


def _sized(written: bytes, event: Event[Any, Any]) -> bytes:
    if len(written) > MAX_BODY_BYTES:
        subject = "?" if event.snapshot is None else str(event.snapshot.subject)
        raise EventTooLarge(subject, len(written), MAX_BODY_BYTES)
    return written


def _content(event: Event[Any, Any]) -> bytes:
    """What the body says behind sender and signal, written unless it is already."""
    if event.content is None:
        content = to_json(_data(event))
        _check_finite(content)
        event.content = content[1:]
    return event.content


def _check_finite(content: bytes) -> None:
    if b"NaN" in content or b"Infinity" in content:  # in a text they may stand
        try:
            json.loads(content, parse_constant=refuse_constant)
        except ValueError as error:
            raise ValueError(f"an event cannot be written as JSON: {error}") from error


def _data(event: Event[Any, Any]) -> dict[str, Any]:
    snapshot = event.snapshot
    if snapshot is None:
        raise TypeError(f"an event of {event.sender.__name__} has no snapshot to announce")
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
            "cascade": event.cascade,
        }
        if event.action is not None:
            pk_set = event.pk_set
            body |= {
                "action": event.action,
                "field": event.field,
                "pk_set": None if pk_set is None else sorted(pk_set),
                "reverse": bool(event.reverse),
                "model": (snapshot.relations or {}).get(event.field or ""),
            }
    if event.data is not None:
        body["data"] = event.data
    body["actor"] = event.actor
    return body
