from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from heliograph.bus import Message
from heliograph.bus.rabbitmq.wire.frames import publish_frames
from heliograph.contract import rfc3339

NAMES = st.text(max_size=60)
EXCHANGES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9\-_.:]{0,49}", fullmatch=True)
# The general encoder leaves out an empty id, cuts off a header's name after 128 bytes, and sorts.
SHORT = st.text(max_size=32)
# The time of an event is one, and a property too.
NOT_TIME = SHORT.filter(lambda name: name != "ce-time")
HEADERS = st.builds(
    lambda *parts: dict(
        sorted({name: text for part in parts for name, text in part.items()}.items())
    ),
    st.dictionaries(
        SHORT.filter(lambda name: name != "ce-time"), st.text(max_size=300), max_size=10
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "ce-type": st.text(min_size=1, max_size=60),
            "ce-time": st.floats(1, 2**33).map(
                lambda seconds: rfc3339(datetime.fromtimestamp(seconds, UTC))
            ),
        },
    ),
)
LARGE = Message("é1", "catalog.events", "a.b.c", {"%": "%b", "ce-id": "é1"}, b"%" * 300_000)


def plain_frames(message: Message, channel: int, max_body: int, user: str) -> bytes:
    """The frames of a message, by the client library's general encoder."""
    publish = commands.Basic.Publish(0, message.exchange, message.routing_key, mandatory=True)
    told: Any = message.headers.get("ce-time")
    properties = commands.Basic.Properties(
        "application/json",
        headers={**message.headers},
        delivery_mode=2,
        message_id=message.id,
        timestamp=told and datetime.fromisoformat(told).replace(microsecond=0),
        message_type=message.headers.get("ce-type"),
        user_id=user,
        app_id=message.exchange.partition(".")[0],
    )
    header = ContentHeader(0, len(message.body), properties)
    starts = range(0, len(message.body), max_body)
    bodies = [ContentBody(message.body[start : start + max_body]) for start in starts]
    first = frame.marshal(publish, channel) + frame.marshal(header, channel)
    return first + b"".join(frame.marshal(each, channel) for each in bodies)


@given(
    message=st.builds(
        Message,
        id=st.text(min_size=1, max_size=60),
        exchange=EXCHANGES,
        routing_key=NAMES,
        headers=HEADERS,
        body=st.binary(max_size=500),
    ),
    channel=st.integers(1, 65_535),
    max_body=st.integers(1, 200),
    user=st.text(min_size=1, max_size=60),
)
@example(LARGE, 1, 131_064, "catalog")
@example(LARGE, 1, 300_000, "%b")
@example(LARGE, 1, 300_001, "ü")
def test_the_frames_are_those_of_the_general_encoder(
    message: Message, channel: int, max_body: int, user: str
) -> None:
    frames = b"".join(publish_frames(message, channel, max_body, user))
    assert frames == plain_frames(message, channel, max_body, user)


def decode(data: bytes) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    while data:
        used, channel, value = frame.unmarshal(data)
        found.append((channel, value))
        data = data[used:]
    return found


@given(
    message=st.builds(
        Message,
        id=NAMES,
        exchange=EXCHANGES,
        routing_key=NAMES,
        headers=HEADERS,
        body=st.binary(max_size=500),
    ),
    channel=st.integers(1, 65_535),
    max_body=st.integers(1, 200),
    user=NAMES,
)
def test_an_independent_decoder_reads_what_was_encoded(
    message: Message, channel: int, max_body: int, user: str
) -> None:
    frames = b"".join(publish_frames(message, channel, max_body, user))
    channels, values = zip(*decode(frames), strict=True)
    publish, header, *bodies = values
    assert set(channels) == {channel}
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key) == (message.exchange, message.routing_key)
    assert (publish.mandatory, publish.immediate) == (True, False)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(message.body)
    properties = header.properties
    assert properties.content_type == "application/json"
    assert properties.headers == message.headers
    assert properties.delivery_mode == 2
    assert properties.message_id == message.id
    assert properties.user_id == user
    assert properties.message_type == message.headers.get("ce-type")
    assert properties.app_id == message.exchange.partition(".")[0]
    assert (properties.timestamp is None) == ("ce-time" not in message.headers)
    pieces = [body.value for body in bodies if isinstance(body, ContentBody)]
    assert b"".join(pieces) == message.body
    assert all(0 < len(piece) <= max_body for piece in pieces)


def test_a_routing_key_that_amqp_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="256"):
        list(publish_frames(Message("1", "x", "k" * 256, {}, b""), 1, 100, "me"))
