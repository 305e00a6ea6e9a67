"""Events: what receivers are given, how one is written as bytes, and read again."""

from heliograph.events.decoding import MAX_HEADER_LENGTH, admit, check_data, decode, decode_for
from heliograph.events.details import MOST_FIELDS, FieldNames, Ids, Word
from heliograph.events.encoding import (
    BESIDES,
    BESIDES_ID,
    CONTENT_TYPE,
    encode,
    event_type,
    exchange,
    follow_up,
    messages,
    routing_key,
    sequence,
)
from heliograph.events.event import Event, new_id
from heliograph.events.kind import EventKind
from heliograph.events.plain_json import headers_to_json
from heliograph.events.versions import LaterVersion

__all__ = [
    "BESIDES",
    "BESIDES_ID",
    "CONTENT_TYPE",
    "MAX_HEADER_LENGTH",
    "MOST_FIELDS",
    "Event",
    "EventKind",
    "FieldNames",
    "Ids",
    "LaterVersion",
    "Word",
    "admit",
    "check_data",
    "decode",
    "decode_for",
    "encode",
    "event_type",
    "exchange",
    "follow_up",
    "headers_to_json",
    "messages",
    "new_id",
    "routing_key",
    "sequence",
]
