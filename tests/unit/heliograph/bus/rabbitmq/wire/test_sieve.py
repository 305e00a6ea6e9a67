import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from heliograph.bus import KEPT, LARGEST_BODY
from heliograph.bus.rabbitmq.wire.confirms import Confirms
from heliograph.bus.rabbitmq.wire.sieve import Arrived, Sieve

CHANNEL, OTHER = 3, 4
NAMES = st.text(max_size=40)
TIME = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
HEARTBEAT = frame.marshal(Heartbeat(), 0)


def delivery(tag: int, body: bytes, max_body: int = 100, **properties: Any) -> bytes:
    """The frames with which a broker delivers a message."""
    deliver = commands.Basic.Deliver("consumer", tag, tag == 2, "catalog.events", f"key.{tag}")
    header = ContentHeader(0, len(body), commands.Basic.Properties(**properties))
    parts = [body[at : at + max_body] for at in range(0, len(body), max_body)]
    return (
        frame.marshal(deliver, CHANNEL)
        + frame.marshal(header, CHANNEL)
        + b"".join(frame.marshal(ContentBody(part), CHANNEL) for part in parts)
    )


def ours(tag: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    return delivery(
        tag,
        body,
        content_type="application/json",
        headers=headers or {"ce-id": f"e{tag}"},
        delivery_mode=2,
        message_id=f"e{tag}",
        timestamp=TIME,
        message_type="catalog.product.post_save.v1",
        user_id="catalog",
        app_id="catalog",
    )


def read(arrived: Arrived) -> tuple[Any, ...]:
    """What a delivery says."""
    return (
        *(arrived.tag, arrived.redelivered, arrived.routing_key, arrived.headers),
        *(arrived.content_type, arrived.message_id, arrived.user_id, arrived.body),
        *(arrived.type, arrived.timestamp, arrived.app_id),
    )


def plainly(stream: bytes) -> tuple[list[tuple[Any, ...]], bytes]:
    """The deliveries of our channel and the bytes of all else, by the general decoder."""
    deliveries: list[Arrived] = []
    left = b""
    while stream:
        used, channel, value = frame.unmarshal(stream)
        match value:
            case commands.Basic.Deliver() if channel == CHANNEL:
                tag, redelivered = value.delivery_tag or 0, bool(value.redelivered)
                deliveries.append(Arrived(tag, redelivered, value.routing_key or "", {}))
            case ContentHeader() if channel == CHANNEL:
                deliveries[-1].headers = value.properties.headers or {}
                deliveries[-1].content_type = value.properties.content_type
                deliveries[-1].message_id = value.properties.message_id
                deliveries[-1].user_id = value.properties.user_id
                deliveries[-1].type = value.properties.message_type
                deliveries[-1].app_id = value.properties.app_id
                if time := value.properties.timestamp:
                    deliveries[-1].timestamp = int(time.timestamp())
            case ContentBody() if channel == CHANNEL:
                deliveries[-1].body += value.value
            case _:
                left += stream[:used]
        stream = stream[used:]
    return [read(each) for each in deliveries], left


VALUES = st.one_of(
    NAMES, st.integers(-(2**40), 2**40), st.booleans(), st.none(), st.lists(NAMES, max_size=2)
)
PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "content_type": NAMES,
    "headers": st.dictionaries(st.text(max_size=30), NAMES, max_size=5)
    | st.dictionaries(st.text(max_size=30), VALUES, max_size=5),
    "delivery_mode": st.sampled_from([1, 2]),
    "message_id": NAMES,
    "user_id": NAMES,
    "priority": st.integers(0, 9),
    "timestamp": st.integers(1, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    "message_type": NAMES,
    "app_id": NAMES,
}
OURS = {name: each for name, each in PROPERTIES.items() if name != "priority"}
STRANGERS = [
    frame.marshal(commands.Basic.Ack(7), OTHER),
    frame.marshal(commands.Basic.Ack(7), CHANNEL),
    frame.marshal(commands.Channel.Flow(active=True), CHANNEL),
    frame.marshal(commands.Basic.Deliver("c", 1, False, "x", "k"), OTHER),  # noqa: FBT003
    frame.marshal(ContentHeader(0, 4, commands.Basic.Properties()), OTHER),
    frame.marshal(ContentBody(b"body"), OTHER),
]


@given(
    parts=st.lists(
        st.sampled_from(STRANGERS)
        | st.builds(
            lambda tag, body, max_body, properties: delivery(tag, body, max_body, **properties),
            st.integers(1, 2**63 - 1),
            st.binary(max_size=300),
            st.integers(1, 100),
            st.fixed_dictionaries(OURS) | st.fixed_dictionaries({}, optional=PROPERTIES),
        ),
        max_size=10,
    ),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=20),
)
@example(parts=[delivery(1, b"", 1, timestamp=datetime.fromtimestamp(2**32, UTC))], cuts=[50])
async def test_it_takes_and_leaves_what_the_general_decoder_would(
    parts: list[bytes], cuts: list[int]
) -> None:
    listening, stream = Listening(), b"".join(parts)
    expected, left = plainly(stream)
    for cut in cuts * (len(stream) // sum(cuts) + 1):
        listening.sieve.feed_data(stream[:cut])
        stream = stream[cut:]
    assert [read(each) for each in listening.arrived] == expected
    assert await listening.passed() == left


class Listening:
    """A sieve with a sink on one channel."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.sieve = Sieve()
        self.sieve.sinks[CHANNEL] = self.arrived.append

    async def passed(self) -> bytes:
        """What is left for aiormq, without the heartbeats that stand for deliveries."""
        self.sieve.feed_eof()
        return (await self.sieve.read()).replace(HEARTBEAT, b"")


@given(
    bodies=st.lists(st.tuples(st.binary(max_size=300), st.dictionaries(NAMES, NAMES, max_size=5))),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=20),
)
async def test_deliveries_come_out_and_other_frames_pass_however_the_bytes_are_cut(
    bodies: list[tuple[bytes, dict[str, str]]], cuts: list[int]
) -> None:
    listening = Listening()
    # The frames of one channel's delivery may be interleaved with those of other channels.
    ack = frame.marshal(commands.Basic.Ack(7), OTHER)
    stream, others = b"", b""
    for tag, (body, headers) in enumerate(bodies, 1):
        stream += ours(tag, body, headers or {"a": "b"}) + ack
        others += ack
    for cut in cuts * (len(stream) // sum(cuts) + 1):
        listening.sieve.feed_data(stream[:cut])
        stream = stream[cut:]
    assert [
        (each.tag, each.body, each.headers, each.message_id, each.content_type, each.routing_key)
        for each in listening.arrived
    ] == [
        (tag, body, headers or {"a": "b"}, f"e{tag}", "application/json", f"key.{tag}")
        for tag, (body, headers) in enumerate(bodies, 1)
    ]
    assert [each.redelivered for each in listening.arrived] == [
        tag == 2 for tag in range(1, len(bodies) + 1)
    ]
    assert await listening.passed() == others


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"headers": {"x-delivery-count": 3, "ce-id": "e1"}, "message_id": "m"},
        {"timestamp": datetime(2026, 1, 31, tzinfo=UTC), "app_id": "stranger", "priority": 5},
        {"content_type": "text/plain", "headers": {"deep": {"er": [1, None, True]}}},
        {"content_type": "x", "headers": {}, "delivery_mode": 1, "message_id": "m"},
        {"headers": {}, "user_id": "stranger", "app_id": "x"},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
)
async def test_messages_of_strangers_are_read_as_the_general_decoder_reads_them(
    properties: dict[str, Any],
) -> None:
    listening = Listening()
    listening.sieve.feed_data(delivery(1, b"body", **properties))
    [arrived] = listening.arrived
    assert arrived.headers == properties.get("headers", {})
    assert arrived.content_type == properties.get("content_type")
    assert arrived.content_encoding == properties.get("content_encoding")
    assert arrived.message_id == properties.get("message_id")
    assert arrived.user_id == properties.get("user_id")
    assert (arrived.body, arrived.size) == (b"body", 4)


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (LARGEST_BODY, LARGEST_BODY),
        (LARGEST_BODY + 1, KEPT),
        (64 * 1024 * 1024, KEPT),
    ],
)
async def test_of_a_body_that_is_too_large_the_beginning_is_kept(size: int, kept: int) -> None:
    listening = Listening()
    body = b"0123456789abcdef" * (size // 16) + b"!" * (size % 16)
    listening.sieve.feed_data(delivery(1, body, 131_064))
    listening.sieve.feed_data(ours(2, b"next"))
    first, second = listening.arrived
    assert (first.size, first.body) == (size, body[:kept])
    assert (second.size, second.body) == (4, b"next")


async def test_a_message_whose_headers_cannot_be_read_arrives_without_any() -> None:
    listening = Listening()
    good = ours(1, b"body", {"abcd": "value"})
    listening.sieve.feed_data(good.replace(b"abcdS", b"abcd?"))
    listening.sieve.feed_data(ours(2, b"next"))
    assert [each.body for each in listening.arrived] == [b"body", b"next"]
    assert listening.arrived[0].headers == {}


async def test_a_busy_connection_is_seen_alive_by_what_reads_the_rest() -> None:
    listening = Listening()
    listening.sieve.feed_data(ours(1, b"body"))
    listening.sieve.feed_eof()
    assert await listening.sieve.read() == HEARTBEAT


@given(cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20))
async def test_answers_to_publishes_come_out_and_other_frames_pass(cuts: list[int]) -> None:
    listening = Listening()
    confirms = listening.sieve.confirms[OTHER] = Confirms()
    settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    batch = confirms.expect(["e1", "e2", "e3", "e4"], settled)
    flow = frame.marshal(commands.Channel.Flow(active=True), OTHER)
    stream = b"".join(
        (
            frame.marshal(commands.Basic.Return(312, "NO_ROUTE", "catalog.events", "key"), OTHER),
            frame.marshal(ContentHeader(0, 4), OTHER),
            frame.marshal(ContentBody(b"body"), OTHER),
            frame.marshal(commands.Basic.Ack(2, multiple=True), OTHER),
            flow,
            frame.marshal(commands.Basic.Nack(3), OTHER),
            frame.marshal(commands.Basic.Ack(4), OTHER),
            frame.marshal(commands.Basic.Ack(9), CHANNEL),
        )
    )
    for cut in cuts * (len(stream) // sum(cuts) + 1):
        listening.sieve.feed_data(stream[:cut])
        stream = stream[cut:]
    assert settled.done()
    assert batch.taken == {"e1", "e2", "e4"}
    assert confirms.unrouted == 1
    assert await listening.passed() == flow + frame.marshal(commands.Basic.Ack(9), CHANNEL)


async def test_what_is_delivered_behind_the_back_of_a_closed_channel_is_dropped() -> None:
    listening = Listening()
    first = ours(1, b"body")
    listening.sieve.feed_data(first[:-4])
    del listening.sieve.sinks[CHANNEL]
    listening.sieve.feed_data(first[-4:])
    assert listening.arrived == []
    assert await listening.passed() == b""


@pytest.mark.parametrize("answer", [b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_peer_that_speaks_no_amqp_is_left_to_the_client_library(answer: bytes) -> None:
    listening = Listening()
    listening.sieve.feed_data(answer[:9])
    listening.sieve.feed_data(answer[9:])
    listening.sieve.feed_eof()
    assert await listening.sieve.read() == answer
