"""Odd messages from a broker: each is parked for what it is, and the next is taken."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage

import contracts
from heliograph import Event
from heliograph.bus import Bus, Topology, bus_from_url
from heliograph.bus.arguments import DELIVERY_LIMIT
from heliograph.events import EventKind, encode
from heliograph.inbox import Consumer
from heliograph.signals import QueuedReceiver
from tests.buses import until
from tests.integration.heliograph.conftest import House, open_house, running
from tests.samples import event


async def note(_event: Event[contracts.Product]) -> None: ...


RECEIVER = QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())
QUEUE = RECEIVER.queue("test")


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[House]:
    async with open_house(sqlite_url) as house:
        yield house


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[Bus]:
    bus = bus_from_url(amqp_url)
    await bus.declare(Topology(("catalog.events",), (QUEUE,)))
    yield bus
    await bus.close()


@pytest.fixture
async def channel(amqp_url: str, rabbit: Bus) -> AsyncIterator[AbstractChannel]:
    async with aiormq.connect(amqp_url) as connection:
        yield await connection.channel()


async def publish(channel: AbstractChannel, body: bytes, **properties: Any) -> None:
    message = encode(event())
    said: dict[str, Any] = {
        "content_type": "application/json",
        "delivery_mode": 2,
        "headers": dict(message.headers),
        "message_id": message.id,
    }
    await channel.basic_publish(
        body,
        exchange=message.exchange,
        routing_key=message.routing_key,
        properties=aiormq.spec.Basic.Properties(**said | properties),
    )


def good(**instance: Any) -> tuple[bytes, dict[str, Any]]:
    """A body and its headers, with these fields of the product."""
    message = encode(event())
    body = json.loads(message.body)
    body["instance"] |= instance
    return json.dumps(body).encode(), {"headers": dict(message.headers)}


async def dead(channel: AbstractChannel) -> int:
    declared = await channel.queue_declare(QUEUE.dead, passive=True)
    return declared.message_count or 0


async def test_each_is_parked_for_what_it_is_and_the_next_is_taken(
    house: House, rabbit: Bus, channel: AbstractChannel
) -> None:
    body, headers = good()
    odd: list[tuple[bytes, dict[str, Any], str]] = [
        (*good(price="1e20000000"), "instance.price"),
        (*good(price="-5.00"), "instance.price"),
        (*good(url="javascript:alert(1)"), "instance.url"),
        (gzip.compress(body), headers | {"content_encoding": "gzip"}, "gzip"),
        (body, {"content_type": "application/cloudevents+json"}, "application/cloudevents+json"),
        (b"[" * 1_000_000, headers, "the body"),
        (body[:-1] + b',"x":NaN}', headers, "NaN"),
        (b"x" * 12_000_000, headers, "the body has 12000000 bytes"),
        (body, {"headers": {"x": {"y": [1.5, None]}}}, "ce-specversion"),
        (b"", {"headers": None}, "ce-specversion"),
    ]
    for payload, properties, _ in odd:
        await publish(channel, payload, **properties)
    await publish(channel, body, **headers)
    async with running(Consumer("test", [RECEIVER], house.inbox, rabbit)):

        async def all_are_there() -> bool:
            return sum((await house.inbox.status()).values()) == len(odd) + 1

        await until(all_are_there)
    found = await house.inbox.parked.page()
    assert len(found) == len(odd)
    for each, (_, _, reason) in zip(found, odd, strict=True):
        assert each.reason.startswith("malformed: ")
        assert reason in each.reason
        assert each.attempts == 0
    assert await house.inbox.status() == {("note", "parked"): len(odd), ("note", "pending"): 1}
    huge = await house.inbox.parked.show(found[7].id)
    assert huge is not None
    assert huge.size is not None
    assert huge.size > 12_000_000
    assert huge.body == "x" * 65_536


async def expire(channel: AbstractChannel) -> None:
    body, headers = good()
    await publish(channel, body, expiration="1", **headers)


async def reject(channel: AbstractChannel, *, times: int = 1) -> None:
    """Refuse an event; but for the last time the broker is to deliver it again."""
    body, headers = good()
    left = times

    async def refuse(message: DeliveredMessage) -> None:
        nonlocal left
        left -= 1
        again = times > 1
        assert message.delivery_tag is not None
        await channel.basic_reject(message.delivery_tag, requeue=again)

    tag = (await channel.basic_consume(QUEUE.name, refuse)).consumer_tag
    await publish(channel, body, **headers)
    await until(lambda: left <= 0)
    assert tag is not None
    await channel.basic_cancel(tag)


@pytest.mark.parametrize(
    ("kill", "reason"),
    [
        (expire, "expired: it waited longer than the time to live that it was given"),
        (reject, "rejected: a consumer of the queue refused it"),
        (
            lambda channel: reject(channel, times=DELIVERY_LIMIT + 1),
            "the broker gave up: delivered again and again, never accepted",
        ),
    ],
    ids=["expired", "rejected", "delivery-limit"],
)
async def test_what_the_broker_gave_up_says_why_and_can_be_redriven(
    house: House, rabbit: Bus, channel: AbstractChannel, kill: Callable[..., Any], reason: str
) -> None:
    await kill(channel)

    async def it_is_dead() -> bool:
        return await dead(channel) == 1

    await until(it_is_dead)
    async with running(Consumer("test", [RECEIVER], house.inbox, rabbit)):
        [found] = await until(house.inbox.parked.page)
    assert found.reason == reason
    assert found.subject is not None
    assert found.size is None
    assert await house.inbox.parked.redrive([found.id]) == 1
