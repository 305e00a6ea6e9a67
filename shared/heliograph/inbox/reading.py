"""What arrives for a receiver, as the inbox keeps it."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from pydantic_core import from_json, to_json

from heliograph.bus import KEPT, LARGEST_BODY, Delivery
from heliograph.errors import Malformed
from heliograph.events import LaterVersion, admit, exchange, headers_to_json
from heliograph.signals import QueuedReceiver
from heliograph.text import printable

ANYBODY: Mapping[str, str] = MappingProxyType({})
"""Announcers for a bus on which anybody may announce."""

REASON_LENGTH = 500
"""Characters of a reason: it stands in tables, log lines and answers."""
LONGEST_HEADER = 1_000
"""Characters that are kept of one header of a message that is cut."""

_GAVE_UP = {
    "delivery_limit": "the broker gave up: delivered again and again, never accepted",
    "expired": "expired: it waited longer than the time to live that it was given",
    "rejected": "rejected: a consumer of the queue refused it",
    "maxlen": "maxlen: the queue was full, and the broker took it out",
}


class Entry(NamedTuple):
    """A delivery that was read, for the inbox; with a `reason` it will be parked at once."""

    event_id: str
    subject: str | None
    routing_key: str
    headers: bytes
    """As JSON."""
    body: bytes
    reason: str | None
    size: int | None = None
    """Bytes of headers and body together, if not all of them are kept."""


def entry(
    receiver: QueuedReceiver,
    delivery: Delivery,
    gave_up: str | None = None,
    announcers: Mapping[str, str] = ANYBODY,
) -> Entry:
    """Read a delivery; one that cannot be read, or is forged, gets that as its `reason`.

    Raises `LaterVersion` for a copy that is to be left, as its event comes in one that is read.
    `gave_up` is the reason why the broker gave up delivering it, if it did. `announcers` names by
    exchange the broker's user who alone announces there.
    """
    headers = headers_to_json(delivery.headers)
    routing_key = _printable(delivery.routing_key)
    try:
        _check_form(delivery)
        event_id, subject, sender_name = admit(delivery.headers, delivery.body, receiver.kind)
    except LaterVersion:
        raise
    except Malformed as error:
        return _disbelieved("malformed", delivery, routing_key, headers, f"malformed: {error}")
    announcer = announcers.get(exchange(sender_name))
    if announcer not in (None, delivery.user):
        found = f"by {delivery.user}" if delivery.user else "by nobody who is named"
        why = f"forged: not published by the broker's user {announcer}, but {found}"
        return _disbelieved("forged", delivery, routing_key, headers, why)
    return Entry(event_id, subject, routing_key, headers, delivery.body, gave_up)


def why_dead(delivery: Delivery, queue: str) -> str:
    """Why the broker took a delivery out of the queue, as its header `x-death` tells."""
    deaths = delivery.headers.get("x-death")
    reason: object = None
    # The newest first; a message may have died elsewhere before.
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, dict) and death.get("queue") == queue:
            reason = death.get("reason")
            break
    if not isinstance(reason, str):
        reason = "delivery_limit"
    return _GAVE_UP.get(reason) or printable(f"the broker gave up: {reason}", REASON_LENGTH)


def _check_form(delivery: Delivery) -> None:
    """Raise `Malformed` for what is no event in CloudEvents' binary mode, whatever it says."""
    kind = (delivery.content_type or "").lower()
    if kind.startswith("application/cloudevents"):
        raise Malformed(
            f"the content type is {kind[:60]}: structured mode, and we read binary mode"
        )
    coding = (delivery.content_encoding or "").lower()
    if coding not in {"", "identity", "utf-8"}:
        raise Malformed(f"the content encoding is {coding[:60]}: we read bodies as they are")
    if delivery.body_size is not None:
        raise Malformed(f"the body has {delivery.body_size} bytes, more than {LARGEST_BODY}")


def _disbelieved(
    kind: str, delivery: Delivery, routing_key: str, headers: bytes, why: str
) -> Entry:
    """Keep the beginning of a message that is not believed when it speaks of itself.

    Under an id of ours it can neither pass for another event, which would then be taken for a copy
    of it, nor hold a subject up.
    """
    body = delivery.body
    body_size = delivery.body_size or len(body)
    digest = hashlib.sha256(headers + b"\n%d\n" % body_size + body).hexdigest()
    size = None
    if max(body_size, len(headers)) > KEPT:
        size = body_size + len(headers)
        headers, body = _cut(headers), body[:KEPT]
    reason = printable(why, REASON_LENGTH)
    return Entry(f"{kind}:{digest}", None, routing_key, headers, body, reason, size)


def _cut(headers: bytes) -> bytes:
    """Keep the beginning of each header, and no more of them than fit."""
    kept: dict[str, object] = {}
    room = KEPT
    for name, value in from_json(headers).items():
        text = str(value)
        kept[name] = value if len(text) <= LONGEST_HEADER else text[: LONGEST_HEADER - 1] + "…"
        room -= len(to_json({name: kept[name]}))
        if room < 0:
            del kept[name]
            break
    return to_json(kept)


@lru_cache(maxsize=256)
def _printable(routing_key: str) -> str:
    return printable(routing_key)
