"""What the one write a batch relies on in aiormq, beneath its public interface.

See `docs/decisions/0002-one-write-a-batch.md`. A failure here means: read aiormq's new
`basic_publish` and `_on_confirm_frame`, then `shared/bus/rabbitmq/batch.py`.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq.abc import ChannelFrame, DeliveredMessage

from shared.bus.rabbitmq.batch import send
from tests.buses import EMAILS, message, messages


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[aiormq.Channel]:
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel(on_return_raises=False)
        assert isinstance(channel, aiormq.Channel)
        await channel.exchange_declare("catalog.events", exchange_type="topic")
        await channel.queue_declare(EMAILS.name)
        await channel.queue_bind(EMAILS.name, "catalog.events", "catalog.product.*")
        yield channel


def test_a_frame_for_the_writer_is_bytes_and_whether_to_close_after_it() -> None:
    assert [each.name for each in dataclasses.fields(ChannelFrame)] == [
        "payload",
        "should_close",
        "drain_future",
    ]


async def test_our_sends_and_its_own_publishes_share_one_count_of_delivery_tags(
    channel: aiormq.Channel,
) -> None:
    for round_ in range(3):
        batch = await send(channel, messages(10))
        confirmation = await channel.basic_publish(
            b"", exchange="catalog.events", routing_key="catalog.product.viewed"
        )
        await asyncio.wait_for(batch.settled, 5)
        assert isinstance(confirmation, aiormq.spec.Basic.Ack)
        assert batch.taken == {f"e{n}" for n in range(10)}
        assert channel.delivery_tag == (round_ + 1) * 11


async def test_nothing_is_left_behind_once_all_is_answered(channel: aiormq.Channel) -> None:
    unbound = [message(n, key="catalog.image.viewed") for n in range(100, 110)]
    batch = await send(channel, [*messages(10), *unbound])
    await asyncio.wait_for(batch.settled, 5)
    assert (len(batch.taken), batch.unrouted) == (20, 10)
    # The last ack of a returned message may still be on its way.
    await channel.basic_qos(prefetch_count=1)
    assert not channel.confirmations
    assert not channel.message_id_delivery_tag


async def test_a_send_on_a_full_writer_that_is_cancelled_uses_no_delivery_tag(
    channel: aiormq.Channel,
) -> None:
    while not channel.write_queue.full():
        channel.write_queue.put_nowait(ChannelFrame(b"", should_close=False))
    sending = asyncio.create_task(send(channel, messages(5)))
    await asyncio.sleep(0)
    # The writer has had its turn only after this.
    sending.cancel()
    await asyncio.wait({sending})
    if sending.cancelled():
        assert channel.delivery_tag == 0
    batch = await send(channel, messages(5))
    await asyncio.wait_for(batch.settled, 5)
    assert len(batch.taken) == 5


async def test_a_lost_channel_fails_the_batch(channel: aiormq.Channel) -> None:
    wrong = dataclasses.replace(message(1), exchange="nowhere")
    batch = await send(channel, [wrong])
    with pytest.raises(aiormq.ChannelNotFoundEntity):
        await asyncio.wait_for(batch.settled, 5)
    assert not batch.answered


async def test_a_returned_message_is_given_as_delivered_message() -> None:
    assert {"delivery", "header", "body", "channel"} <= {
        each.name for each in dataclasses.fields(DeliveredMessage)
    }
