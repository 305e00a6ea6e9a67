"""A message as the AMQP 0-9-1 frames that publish it.

Written by hand because the general encoder costs more than everything else on the way
of an event. Only what our messages use is here: persistent, mandatory, JSON, headers
of text. Layout: AMQP 0-9-1 specification, sections 2.3.5 and 4.2.
"""

from functools import lru_cache
from struct import Struct

from shared.bus import Message

_FRAME = Struct(">BHL")
_PUBLISH = Struct(">HHH")
_HEADER = Struct(">HHQH")
_LONG = Struct(">L")

_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_BASIC, _BASIC_PUBLISH = 60, 40
_MANDATORY = b"\x01"
_FRAME_END = b"\xce"

# content-type, headers, delivery-mode and message-id are present, in this order.
_PROPERTIES = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7
_CONTENT_TYPE = b"\x10application/json"
_PERSISTENT = b"\x02"


def publish_frames(message: Message, channel: int, max_body: int) -> bytes:
    """Encode `basic.publish` with its content, no body frame longer than `max_body` bytes.

    Raises `ValueError` for an exchange, routing key, header name or id of more than 255
    bytes.
    """
    body = message.body
    fields: list[bytes] = []
    for name, value in message.headers.items():
        raw = value.encode()
        fields += (_text_field(name), _LONG.pack(len(raw)), raw)
    table = b"".join(fields)
    header = b"".join(
        (
            _HEADER.pack(_BASIC, 0, len(body), _PROPERTIES),
            _CONTENT_TYPE,
            _LONG.pack(len(table)),
            table,
            _PERSISTENT,
            _short(message.id),
        )
    )
    parts = [
        _publish_frame(message.exchange, message.routing_key, channel),
        _frame(_HEADER_FRAME, channel, header),
    ]
    parts += (
        _frame(_BODY_FRAME, channel, body[start : start + max_body])
        for start in range(0, len(body), max_body)
    )
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _publish_frame(exchange: str, routing_key: str, channel: int) -> bytes:
    return _frame(
        _METHOD_FRAME,
        channel,
        _PUBLISH.pack(_BASIC, _BASIC_PUBLISH, 0)
        + _short(exchange)
        + _short(routing_key)
        + _MANDATORY,
    )


@lru_cache(maxsize=1024)
def _text_field(name: str) -> bytes:
    """Encode a header's name and the type of its value, a text of up to 4 GiB."""
    return _short(name) + b"S"


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"".join((_FRAME.pack(kind, channel, len(payload)), payload, _FRAME_END))


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw
