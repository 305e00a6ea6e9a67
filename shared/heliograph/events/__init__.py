"""Events: what receivers are given, how one is written as bytes, and read again."""

from heliograph.events.decoding import decode, decode_for, headers_to_json
from heliograph.events.encoding import (
    CONTENT_TYPE,
    encode,
    event_type,
    exchange,
    follow_up,
    routing_key,
    sequence,
)
from heliograph.events.event import Event, new_id

__all__ = [
    "CONTENT_TYPE",
    "Event",
    "decode",
    "decode_for",
    "encode",
    "event_type",
    "exchange",
    "follow_up",
    "headers_to_json",
    "new_id",
    "routing_key",
    "sequence",
]
