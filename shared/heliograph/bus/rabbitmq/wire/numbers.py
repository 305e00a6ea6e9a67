"""AMQP 0-9-1 in numbers, as far as we write and read frames ourselves.

Layout: specification, sections 2.3.5 (frames) and 4.2 (their grammar); methods: its
`amqp0-9-1.xml`, class `basic`.
"""

from struct import Struct

FRAME = Struct(">BHL")
"""What begins a frame: its kind, its channel and the bytes of its payload."""
LONG = Struct(">L")

METHOD_FRAME, HEADER_FRAME, BODY_FRAME, HEARTBEAT_FRAME = 1, 2, 3, 8
FRAME_END = 0xCE
FRAME_HEADER = FRAME.size
FRAME_OVERHEAD = FRAME.size + 1
HEARTBEAT = FRAME.pack(HEARTBEAT_FRAME, 0, 0) + bytes((FRAME_END,))

_METHOD = Struct(">HH")
BASIC = 60
PUBLISH = _METHOD.pack(BASIC, 40)
RETURN = _METHOD.pack(BASIC, 50)
DELIVER = _METHOD.pack(BASIC, 60)
ACK = _METHOD.pack(BASIC, 80)
NACK = _METHOD.pack(BASIC, 120)

TIMESTAMP_FLAG, TYPE_FLAG = 1 << 6, 1 << 5
PROPERTIES = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | TIMESTAMP_FLAG | TYPE_FLAG | 1 << 4 | 1 << 3
"""Flags of what our messages have: content-type, headers, delivery-mode, message-id, timestamp,
type, user-id, app-id, in that order."""
TIMESTAMP = Struct(">Q")
TEXT = b"S"
"""The kind of a header's value: a long string."""
