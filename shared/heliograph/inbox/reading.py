"""What arrives for a receiver, as the inbox keeps it."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from heliograph.bus import Delivery
from heliograph.errors import Malformed
from heliograph.events import decode_for, exchange, headers_to_json
from heliograph.signals import QueuedReceiver
from heliograph.text import printable

ANYBODY: Mapping[str, str] = MappingProxyType({})
"""Announcers for a bus on which anybody may announce."""


class Entry(NamedTuple):
    """A delivery that was read, for the inbox; with a `reason` it will be parked at once."""

    event_id: str
    subject: str | None
    routing_key: str
    headers: bytes
    """As JSON."""
    body: bytes
    reason: str | None


def entry(
    receiver: QueuedReceiver,
    delivery: Delivery,
    gave_up: str | None = None,
    announcers: Mapping[str, str] = ANYBODY,
) -> Entry:
    """Read a delivery; one that cannot be read, or is forged, gets that as its `reason`.

    `gave_up` is the reason why the broker gave up delivering it, if it did. `announcers` names by
    exchange the broker's user who alone announces there.
    """
    headers = headers_to_json(delivery.headers)
    subject: str | None
    try:
        event = decode_for(delivery.headers, delivery.body, receiver.contract)
    except Malformed as error:
        event_id, subject = _own_id("malformed", headers, delivery.body), None
        reason: str | None = printable(f"malformed: {error}")
    else:
        event_id, subject, reason = str(event.id), str(event.instance.subject), gave_up
        announcer = announcers.get(exchange(event.sender.sender_name))
        if announcer not in (None, delivery.user):
            event_id, subject = _own_id("forged", headers, delivery.body), None
            found = f"by {delivery.user}" if delivery.user else "by nobody who is named"
            reason = printable(
                f"forged: not published by the broker's user {announcer}, but {found}"
            )
    return Entry(event_id, subject, printable(delivery.routing_key), headers, delivery.body, reason)


def _own_id(kind: str, headers: bytes, body: bytes) -> str:
    """An id of ours for what is not believed when it speaks of itself.

    So it can neither pass for another event, which would then be taken for a copy of it, nor hold
    a subject up.
    """
    raw = headers + b"\n" + body
    return f"{kind}:{hashlib.sha256(raw).hexdigest()}"
