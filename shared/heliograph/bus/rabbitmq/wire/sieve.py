"""Deliveries and confirms, taken out of the stream of frames before aiormq reads it.

aiormq takes four awaits and a general decoder for each frame, a delivery has three, and a
confirm may come for each message. `docs/decisions/0006-deliveries-past-aiormq.md` says why,
and what of aiormq this relies on.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import SupportsIndex

from pamqp.header import ContentHeader

from heliograph.bus.protocol import KEPT, LARGEST_BODY
from heliograph.bus.rabbitmq.wire.confirms import Confirms
from heliograph.bus.rabbitmq.wire.numbers import (
    ACK,
    BODY_FRAME,
    DELIVER,
    FRAME,
    FRAME_END,
    FRAME_HEADER,
    FRAME_OVERHEAD,
    HEADER_FRAME,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    LONG,
    METHOD_FRAME,
    NACK,
    PROPERTIES,
    RETURN,
    TEXT,
    TIMESTAMP,
)

_TAG = Struct(">QB")
_SIZE = Struct(">QH")
_KINDS = (METHOD_FRAME, HEADER_FRAME, BODY_FRAME, HEARTBEAT_FRAME)
_HEARTBEAT_S = 1.0
_LAST_SECOND = 2**32 - 1


@dataclass(slots=True)
class Arrived:
    """A delivery as the broker sent it; `tag` is its channel's."""

    tag: int
    redelivered: bool
    routing_key: str
    headers: Mapping[str, object]
    content_type: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    type: str | None = None
    timestamp: int | None = None
    app_id: str | None = None
    content_encoding: str | None = None
    body: bytes = b""
    size: int = 0
    """Bytes of the body as it was sent: `body` has only the first of one that is too large."""
    missing: int = 0
    """Bytes of the body that have not arrived yet."""


class Sieve(asyncio.StreamReader):
    """The bytes that the broker sends, less what it sends in bulk to the channels below."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.sinks: dict[int, Callable[[Arrived], None]] = {}
        """What is called with each delivery, by the number of its channel."""
        self.confirms: dict[int, Confirms] = {}
        """Where answers to publishes are noted, by the number of their channel."""
        self._rest = b""
        self._open: dict[int, Arrived] = {}
        self._in_step = True
        self._heartbeat_due = 0.0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        if not self._in_step:
            super().feed_data(data)
            return
        data = self._rest + bytes(data)
        start = passed = 0
        others: list[bytes] = []
        while len(data) - start >= FRAME_OVERHEAD:
            kind, channel, length = FRAME.unpack_from(data, start)
            end = start + length + FRAME_OVERHEAD
            if kind not in _KINDS or (end <= len(data) and data[end - 1] != FRAME_END):
                # No AMQP: that is for aiormq to complain about.
                self._in_step = False
                start = len(data)
                break
            if end > len(data):
                break
            if self._takes(kind, channel, data[start + FRAME_HEADER : end - 1]):
                others.append(data[passed:start])
                passed = end
            start = end
        if others and time.monotonic() >= self._heartbeat_due:
            # aiormq, which counts what it reads, would take a busy connection for a dead one.
            others.append(HEARTBEAT)
            self._heartbeat_due = time.monotonic() + _HEARTBEAT_S
        others.append(data[passed:start])
        self._rest = data[start:]
        if found := b"".join(others):
            super().feed_data(found)

    def _takes(self, kind: int, channel: int, payload: bytes) -> bool:
        """Take a frame of a delivery or a confirm; False if it is another's."""
        if kind == METHOD_FRAME:
            if channel in self.sinks and payload.startswith(DELIVER):
                self._open[channel] = _delivery(payload)
                return True
            return channel in self.confirms and self._answers(channel, payload)
        arrived = self._open.get(channel)
        if arrived is None:
            return False
        if kind == HEADER_FRAME:
            _read_header(arrived, payload)
        else:
            arrived.missing -= len(payload)
            if arrived.size <= LARGEST_BODY:
                arrived.body = arrived.body + payload if arrived.body else payload
            elif len(arrived.body) < KEPT:
                arrived.body = (arrived.body + payload)[:KEPT]
        if arrived.missing <= 0:
            del self._open[channel]
            # Without a sink its channel is about to close: the broker delivers it again.
            if sink := self.sinks.get(channel):
                sink(arrived)
        return True

    def _answers(self, channel: int, payload: bytes) -> bool:
        """Take the broker's word on what we published; False if it says something else."""
        confirms, method = self.confirms[channel], payload[:4]
        if method in (ACK, NACK):
            tag, flags = _TAG.unpack_from(payload, 4)
            confirms.answer(tag, multiple=bool(flags & 1), taken=method == ACK)
        elif method == RETURN:
            confirms.unrouted += 1
            # Its content follows, for nobody.
            self._open[channel] = Arrived(0, redelivered=False, routing_key="", headers={})
        else:
            return False
        return True


def _delivery(payload: bytes) -> Arrived:
    at = 5 + payload[4]  # behind the consumer's tag
    tag, redelivered = _TAG.unpack_from(payload, at)
    at += 9
    at += 1 + payload[at]  # behind the exchange
    routing_key = payload[at + 1 : at + 1 + payload[at]].decode("utf-8", "replace")
    return Arrived(tag, bool(redelivered), routing_key, {})


def _read_header(arrived: Arrived, payload: bytes) -> None:
    arrived.size, properties = _SIZE.unpack_from(payload, 4)
    arrived.missing = arrived.size
    if properties != PROPERTIES or not _read_ours(arrived, payload):
        _read_any(arrived, payload)


def _read_ours(arrived: Arrived, payload: bytes) -> bool:
    """Read the properties of a message such as ours; False if a header is not text."""
    end = 15 + payload[14]
    content_type = payload[15:end]
    at = end + 4
    end = at + LONG.unpack_from(payload, end)[0]
    headers = {}
    try:
        while at < end:
            name = at + 1
            kind = name + payload[at]
            if payload[kind] != TEXT[0]:
                return False
            value = kind + 5
            at = value + LONG.unpack_from(payload, kind + 1)[0]
            headers[payload[name:kind].decode()] = payload[value:at].decode()
        # Behind the delivery mode.
        at = end + 2 + payload[end + 1]
        arrived.message_id = payload[end + 2 : at].decode()
        [seconds] = TIMESTAMP.unpack_from(payload, at)
        # As pamqp has it: what would be beyond the year 2106 is in milliseconds.
        arrived.timestamp = seconds if seconds <= _LAST_SECOND else seconds // 1000
        at += TIMESTAMP.size + 1
        end = at + payload[at - 1]
        arrived.type = payload[at:end].decode()
        at = end + 1 + payload[end]
        arrived.user_id = payload[end + 1 : at].decode()
        arrived.app_id = payload[at + 1 : at + 1 + payload[at]].decode()
        arrived.content_type = content_type.decode()
    except UnicodeDecodeError:
        return False
    arrived.headers = headers
    return True


def _read_any(arrived: Arrived, payload: bytes) -> None:
    """Read the properties of any message; one that cannot be read has none."""
    header = ContentHeader()
    try:
        header.unmarshal(payload)
    # Whatever the decoder stumbles over: one message must not end the connection for all.
    except Exception:  # noqa: BLE001
        return
    properties = header.properties
    arrived.headers = properties.headers or {}
    arrived.content_type = properties.content_type
    arrived.content_encoding = properties.content_encoding
    arrived.message_id = properties.message_id
    arrived.user_id = properties.user_id
    arrived.type = properties.message_type
    arrived.app_id = properties.app_id
    if properties.timestamp is not None:
        arrived.timestamp = int(properties.timestamp.timestamp())
