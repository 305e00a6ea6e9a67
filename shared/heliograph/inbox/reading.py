"""What arrives for a receiver, as the inbox keeps it."""

import hashlib
from typing import NamedTuple

from heliograph.bus import Delivery
from heliograph.errors import Malformed
from heliograph.events import decode_for, headers_to_json
from heliograph.signals import QueuedReceiver
from heliograph.text import printable


class Entry(NamedTuple):
    """A delivery that was read, for the inbox; with a `reason` it will be parked at once."""

    event_id: str
    subject: str | None
    routing_key: str
    headers: bytes
    """As JSON."""
    body: bytes
    reason: str | None


def entry(receiver: QueuedReceiver, delivery: Delivery, gave_up: str | None = None) -> Entry:
    """Read a delivery; one that cannot be read gets that as its `reason`.

    `gave_up` is the reason why the broker gave up delivering it, if it did.
    """
    headers = headers_to_json(delivery.headers)
    subject: str | None
    try:
        event = decode_for(delivery.headers, delivery.body, receiver.contract)
    except Malformed as error:
        # Its claims about itself are not believed: it can neither pass for another event
        # nor hold a subject up.
        raw = headers + b"\n" + delivery.body
        event_id, subject = "malformed:" + hashlib.sha256(raw).hexdigest(), None
        reason: str | None = printable(f"malformed: {error}")
    else:
        event_id, subject, reason = str(event.id), str(event.instance.subject), gave_up
    return Entry(event_id, subject, printable(delivery.routing_key), headers, delivery.body, reason)
