"""A consumer without our code: plain pika reads, the official CloudEvents SDK parses."""

import asyncio
import uuid
from datetime import UTC, datetime

import pika
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event

from heliograph.bus import Bus
from tests.buses import message, topology


def consume_one(connection: pika.BlockingConnection, queue: str) -> RabbitMQMessage:
    channel = connection.channel()
    for method, properties, body in channel.consume(queue, inactivity_timeout=10):
        assert method is not None, "nothing arrived within 10 s"
        channel.basic_ack(method.delivery_tag)
        assert properties.delivery_mode == 2
        assert properties.message_id == properties.headers["ce-id"]
        assert properties.type == properties.headers["ce-type"]
        assert properties.app_id == "catalog"
        assert properties.timestamp == 1_767_323_045
        return RabbitMQMessage(properties.headers, properties.content_type, body)
    raise AssertionError("the consumer was cancelled")


async def test_a_queue_of_anybody_receives_cloudevents(rabbit: Bus, amqp_url: str) -> None:
    await rabbit.declare(topology())
    connection = await asyncio.to_thread(pika.BlockingConnection, pika.URLParameters(amqp_url))
    queue = connection.channel().queue_declare("", exclusive=True).method.queue
    connection.channel().queue_bind(queue, "catalog.events", "catalog.product.*")
    subject = str(uuid.uuid4())
    sent = message(1)._replace(
        headers={
            "ce-specversion": "1.0",
            "ce-id": "e1",
            "ce-source": "/catalog",
            "ce-type": "catalog.product.post_save.v1",
            "ce-subject": subject,
            "ce-time": "2026-01-02T03:04:05.678901Z",
            "ce-subjectsequence": "000000000001.0002",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
        body=b'{"sender": "catalog.product"}',
    )
    assert await rabbit.publish([sent]) == {"e1"}
    received = await asyncio.to_thread(consume_one, connection, queue)
    event = from_rabbitmq_event(received)
    assert event.get_id() == "e1"
    assert event.get_source() == "/catalog"
    assert event.get_type() == "catalog.product.post_save.v1"
    assert event.get_subject() == subject
    assert event.get_time() == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("subjectsequence") == "000000000001.0002"
    assert event.get_data() == {"sender": "catalog.product"}
    await asyncio.to_thread(connection.close)
