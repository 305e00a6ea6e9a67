"""What the one write a batch relies on in aiormq, beneath its public interface.

See `docs/decisions/0002-one-write-a-batch.md`. A failure here means: read aiormq's new
`basic_publish` and `Channel.lock`, then `send` in `shared/heliograph/bus/rabbitmq/publisher.py`.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq.abc import ChannelFrame

from heliograph.bus.rabbitmq.connection import Link
from heliograph.bus.rabbitmq.publisher import send
from heliograph.bus.rabbitmq.wire.confirms import Confirms
from tests.buses import EMAILS, message, messages


@pytest.fixture
async def link(amqp_url: str) -> AsyncIterator[Link]:
    link = Link(amqp_url, "test")
    yield link
    await link.close()


@pytest.fixture
async def channel(link: Link) -> aiormq.Channel:
    channel = await link.channel()
    await channel.exchange_declare("catalog.events", exchange_type="topic")
    await channel.queue_declare(EMAILS.name)
    await channel.queue_bind(EMAILS.name, "catalog.events", "catalog.product.*")
    return channel


@pytest.fixture
def confirms(link: Link, channel: aiormq.Channel) -> Confirms:
    confirms = Confirms()
    link.take_confirms(channel, confirms)
    return confirms


def test_a_frame_for_the_writer_is_bytes_and_whether_to_close_after_it() -> None:
    assert [each.name for each in dataclasses.fields(ChannelFrame)] == [
        "payload",
        "should_close",
        "drain_future",
    ]


async def test_the_broker_counts_our_sends_as_we_do(
    link: Link, channel: aiormq.Channel, confirms: Confirms
) -> None:
    batches = [await send(channel, confirms, messages(10), link.user) for _ in range(3)]
    for batch in batches:
        await asyncio.wait_for(batch.settled, 10)
        assert batch.taken == {f"e{n}" for n in range(10)}


async def test_it_neither_counts_nor_keeps_what_we_send(
    link: Link, channel: aiormq.Channel, confirms: Confirms
) -> None:
    unbound = [message(n, key="catalog.image.viewed") for n in range(100, 110)]
    batch = await send(channel, confirms, [*messages(10), *unbound], link.user)
    await asyncio.wait_for(batch.settled, 10)
    assert (len(batch.taken), confirms.unrouted) == (20, 10)
    assert channel.delivery_tag == 0
    assert not channel.confirmations
    # Its reader has heard nothing that it could take for a fault.
    await channel.basic_qos(prefetch_count=1)


async def test_a_send_on_a_full_writer_that_is_cancelled_uses_no_delivery_tag(
    link: Link, channel: aiormq.Channel, confirms: Confirms
) -> None:
    while not channel.write_queue.full():
        channel.write_queue.put_nowait(ChannelFrame(b"", should_close=False))
    sending = asyncio.create_task(send(channel, confirms, messages(5), link.user))
    await asyncio.sleep(0)
    # The writer has had its turn only after this.
    sending.cancel()
    await asyncio.wait({sending})
    batch = await send(channel, confirms, messages(5), link.user)
    await asyncio.wait_for(batch.settled, 10)
    assert len(batch.taken) == 5


async def test_a_lost_channel_fails_the_batch(
    link: Link, channel: aiormq.Channel, confirms: Confirms
) -> None:
    wrong = message(1)._replace(exchange="nowhere")
    batch = await send(channel, confirms, [wrong], link.user)
    with pytest.raises(aiormq.ChannelNotFoundEntity):
        await asyncio.wait_for(batch.settled, 10)
    assert not batch.complete
