import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from heliograph.bus import Message
from heliograph.bus.rabbitmq.wire.frames import publish_frames

NAMES = st.text(max_size=60)


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
        exchange=st.from_regex(r"[a-zA-Z0-9\-_.:]{0,50}", fullmatch=True),
        routing_key=NAMES,
        headers=st.dictionaries(NAMES, st.text(max_size=300), max_size=10),
        body=st.binary(max_size=500),
    ),
    channel=st.integers(1, 65_535),
    max_body=st.integers(1, 200),
)
def test_an_independent_decoder_reads_what_was_encoded(
    message: Message, channel: int, max_body: int
) -> None:
    frames = b"".join(publish_frames(message, channel, max_body))
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
    pieces = [body.value for body in bodies if isinstance(body, ContentBody)]
    assert b"".join(pieces) == message.body
    assert all(0 < len(piece) <= max_body for piece in pieces)


def test_a_routing_key_that_amqp_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="256"):
        list(publish_frames(Message("1", "x", "k" * 256, {}, b""), 1, 100))
