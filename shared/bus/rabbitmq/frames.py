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
    body, headers = message.body, message.headers
    values: list[bytes] = []
    for value in headers.values():
        raw = value.encode()
        values += (_LONG.pack(len(raw)), raw)
    table = _table_of(tuple(headers)) % tuple(values)
    id_ = _short(message.id)
    size = _HEADER.size + len(_CONTENT_TYPE) + _LONG.size + len(table) + len(_PERSISTENT) + len(id_)
    parts = [
        _publish_frame(message.exchange, message.routing_key, channel),
        _FRAME.pack(_HEADER_FRAME, channel, size),
        _HEADER.pack(_BASIC, 0, len(body), _PROPERTIES),
        _CONTENT_TYPE,
        _LONG.pack(len(table)),
        table,
        _PERSISTENT,
        id_,
        _FRAME_END,
    ]
    for start in range(0, len(body), max_body):
        piece = body[start : start + max_body]
        parts += (_FRAME.pack(_BODY_FRAME, channel, len(piece)), piece, _FRAME_END)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _publish_frame(exchange: str, routing_key: str, channel: int) -> bytes:
    payload = b"".join(
        (
            _PUBLISH.pack(_BASIC, _BASIC_PUBLISH, 0),
            _short(exchange),
            _short(routing_key),
            _MANDATORY,
        )
    )
    return _FRAME.pack(_METHOD_FRAME, channel, len(payload)) + payload + _FRAME_END


@lru_cache(maxsize=1024)
def _table_of(names: tuple[str, ...]) -> bytes:
    """Prepare the table of headers with these names: a place for each length and text."""
    return b"".join(_short(name).replace(b"%", b"%%") + b"S%b%b" for name in names)


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw
