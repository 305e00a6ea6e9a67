"""A message as the AMQP 0-9-1 frames that publish it.

Written by hand because the general encoder costs more than everything else on the way
of an event. Only what our messages use is here: persistent, mandatory, JSON, headers
of text.
"""

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct

from heliograph.bus.protocol import Message
from heliograph.bus.rabbitmq.wire.numbers import (
    BASIC,
    BODY_FRAME,
    FRAME,
    FRAME_END,
    HEADER_FRAME,
    LONG,
    METHOD_FRAME,
    PROPERTIES,
    PUBLISH,
    TEXT,
    TIMESTAMP,
    TIMESTAMP_FLAG,
    TYPE_FLAG,
)

_METHOD = Struct(">4sH")
_CONTENT = Struct(">HH")
_SIZE = Struct(">Q")
_FLAGS = Struct(">H")

_MANDATORY = b"\x01"
_END = bytes((FRAME_END,))
_CONTENT_TYPE = b"\x10application/json"
_PERSISTENT = b"\x02"


def publish_frames(message: Message, channel: int, max_body: int, user: str) -> Iterator[bytes]:
    """Encode `basic.publish` with its content, no body frame longer than `max_body` bytes.

    `user` is whom the connection belongs to: the broker refuses a message that names another.
    What is yielded is to be joined, so that a body is copied only then. Raises `ValueError`
    for an exchange, routing key, header name, id, type or user of more than 255 bytes, and for
    a time that is none.
    """
    headers, body = message.headers, message.body
    texts = [*map(str.encode, headers.values()), message.id.encode()]
    names, seconds = tuple(headers), message.timestamp
    template = _template(
        message.exchange, message.routing_key, message.type, channel, user, names, *map(len, texts)
    )
    time = b"" if seconds is None else TIMESTAMP.pack(seconds)
    yield template % (_SIZE.pack(len(body)), *texts, time)
    for start in range(0, len(body), max_body):
        piece = body[start : start + max_body]
        yield FRAME.pack(BODY_FRAME, channel, len(piece))
        yield piece
        yield _END


@lru_cache(maxsize=1024)
def _template(
    exchange: str,
    routing_key: str,
    kind: str | None,
    channel: int,
    user: str,
    names: tuple[str, ...],
    *sizes: int,
) -> bytes:
    """Prepare the first two frames of messages that differ in texts, times and bodies only.

    `kind` is the message's type. `sizes` are the bytes of each header's text, and of the id: those
    of a service's events are the same again and again. Places are left for the body's size, for
    these texts, and for the time.
    """
    *texts, id_size = sizes
    method = b"".join(
        (
            _METHOD.pack(PUBLISH, 0),
            _short(exchange),
            _short(routing_key),
            _MANDATORY,
        )
    )
    fields = [
        _short(name) + TEXT + LONG.pack(size) for name, size in zip(names, texts, strict=True)
    ]
    table_size = sum(map(len, fields)) + sum(texts)
    start = _CONTENT.pack(BASIC, 0)
    flags, time_size = PROPERTIES, TIMESTAMP.size
    if "ce-time" not in names:
        flags, time_size = flags & ~TIMESTAMP_FLAG, 0
    if kind is None:
        flags &= ~TYPE_FLAG
    properties = _FLAGS.pack(flags) + _CONTENT_TYPE + LONG.pack(table_size)
    end = _PERSISTENT + bytes((id_size,))
    last = b"" if kind is None else _short(kind)
    last += _short(user) + _short(exchange.partition(".")[0])
    size = len(start) + _SIZE.size + len(properties) + table_size + len(end) + id_size
    size += time_size + len(last)
    frames = FRAME.pack(METHOD_FRAME, channel, len(method)) + method + _END
    frames += FRAME.pack(HEADER_FRAME, channel, size) + start
    before_first, *before_others = *fields, end
    literals = (frames, properties + before_first, *before_others, b"", last + _END)
    return b"%b".join(literal.replace(b"%", b"%%") for literal in literals)


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw
