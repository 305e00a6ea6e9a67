"""What is kept of messages that are no events, and why it is parked."""

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest

import contracts
from heliograph import Event
from heliograph.bus import KEPT, LARGEST_BODY, Delivery
from heliograph.events import EventKind, encode
from heliograph.inbox import ParkedInFull, Worker
from heliograph.inbox.reading import REASON_LENGTH, entry, why_dead
from heliograph.signals import QueuedReceiver
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, running
from tests.polling import until
from tests.samples import event, product

seen: list[str] = []


async def note(event: Event[contracts.Product]) -> None:
    seen.append(event.instance.name)


async def note_all(events: list[Event[contracts.Product]]) -> None:
    seen.extend(each.instance.name for each in events)


RECEIVER = QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())


def delivery(**fields: Any) -> Delivery:
    message = encode(event(product(name="good")))
    good = Delivery("q", message.routing_key, message.headers, message.body, message.id)
    return replace(good, **fields)


async def parked(house: House, *deliveries: Delivery) -> ParkedInFull:
    """Accept deliveries, and look at the one that is parked then."""
    await house.accept(RECEIVER, deliveries)
    [found] = await house.inbox.parked.page()
    shown = await house.inbox.parked.show(found.id)
    assert shown is not None
    assert len(shown.reason) <= REASON_LENGTH
    return shown


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"content_encoding": "gzip", "body": b"\x1f\x8b\x08"}, "the content encoding is gzip"),
        ({"content_encoding": "x" * 255}, "the content encoding is x"),
        ({"body": b"\x1f\x8b\x08\x00"}, "it is compressed with gzip"),
        (
            {"content_type": "application/cloudevents+json; charset=utf-8"},
            "the content type is application/cloudevents+json; charset=utf-8: structured mode",
        ),
        ({"content_type": "Application/CloudEvents-batch+json"}, "structured mode"),
        ({"body": b"x" * KEPT, "body_size": 100_000_000}, "has 100000000 bytes, more than 2097152"),
        ({"body": b"x" * (LARGEST_BODY + 1)}, "more than 2097152 bytes"),
        ({"body": b"[" * LARGEST_BODY}, "lists and objects"),
        ({"body": b"[" * 100_000}, "recursion limit"),
        ({"routing_key": "k\x00"}, None),
        ({"content_encoding": "UTF-8", "content_type": None}, None),
        ({"content_type": "application/json; charset=utf-8"}, None),
    ],
    ids=range(12),
)
@sqlite_suffices
async def test_what_is_wrong_with_a_message_is_named(
    house: House, fields: dict[str, Any], reason: str | None
) -> None:
    begun = time.process_time()
    read = entry(RECEIVER, delivery(**fields))
    assert time.process_time() - begun < 1
    if reason is None:
        assert read.reason is None
    else:
        shown = await parked(house, delivery(**fields))
        assert shown.reason.startswith("malformed: the ")
        assert reason in shown.reason
        assert shown.attempts == 0


async def test_of_a_message_that_is_no_event_64_kib_of_each_half_are_kept(house: House) -> None:
    headers = {f"h{number}": "é" * 900 for number in range(200)} | {"tail": "x" * 100_000}
    shown = await parked(house, delivery(headers={"a": "x" * 5_000, "n": math.nan} | headers))
    assert len(json.dumps(shown.headers, ensure_ascii=False).encode()) <= KEPT + 1_000
    assert shown.headers["a"] == "x" * 999 + "…"
    assert shown.headers["n"] == "NaN"
    assert shown.headers["h3"] == "é" * 900
    assert shown.size is not None
    assert shown.size > 460_000
    assert len(shown.body) < KEPT


async def test_two_huge_messages_are_two(house: House) -> None:
    first = delivery(body=b"x" * KEPT, body_size=5_000_000)
    second = replace(first, body_size=5_000_001)
    await house.accept(RECEIVER, [first, second, first])
    found = await house.inbox.parked.page()
    assert len(found) == 2
    assert found[0].size is not None


async def test_an_event_as_large_as_ours_can_be_is_kept_whole_and_runs(house: House) -> None:
    seen.clear()
    message = encode(event(product(name="large")))
    body = message.body[:-1] + b',"more":"' + b"x" * (LARGEST_BODY - len(message.body) - 11) + b'"}'
    large = Delivery("q", message.routing_key, message.headers, body, message.id)
    await house.accept(RECEIVER, [large], gave_up="expired")
    assert [each.size for each in await house.inbox.parked.page()] == [None]
    assert await house.inbox.parked.redrive(None) == 1
    async with running(Worker([RECEIVER], house.inbox)):
        await until(lambda: seen == ["large"])


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "the broker gave up: delivered again and again, never accepted"),
        ({"x-death": "expired"}, "the broker gave up: delivered again"),
        ({"x-death": [{"queue": "other", "reason": "expired"}]}, "the broker gave up: delivered"),
        ({"x-death": [7, {"queue": "q", "reason": None}]}, "the broker gave up: delivered"),
        ({"x-death": [{"queue": "q", "reason": "delivery_limit"}]}, "never accepted"),
        ({"x-death": [{"queue": "q", "reason": "rejected"}]}, "rejected: a consumer"),
        ({"x-death": [{"queue": "q", "reason": "maxlen"}]}, "maxlen: the queue was full"),
        (
            {
                "x-death": [
                    {"queue": "elsewhere", "reason": "rejected"},
                    {"queue": "q", "reason": "expired"},
                    {"queue": "q", "reason": "rejected"},
                ]
            },
            "expired: it waited longer than the time to live that it was given",
        ),
        ({"x-death": [{"queue": "q", "reason": "\x00" * 9_000}]}, "the broker gave up: \ufffd"),
    ],
)
def test_why_the_broker_gave_up_is_told(headers: dict[str, object], reason: str) -> None:
    told = why_dead(delivery(headers=headers), "q")
    assert reason in told
    assert len(told) <= REASON_LENGTH


@pytest.mark.parametrize("receiver", [RECEIVER, replace(RECEIVER, function=note_all, batch=10)])
async def test_what_another_release_accepted_and_we_do_not_is_parked_alone(
    house: House, receiver: QueuedReceiver
) -> None:
    seen.clear()
    good = [delivery(), delivery()]
    entries = [entry(receiver, each) for each in good]
    broken = entries[0]._replace(
        event_id="older", body=entries[0].body.replace(b'"19.99"', b'"1e20000000"')
    )
    await house.inbox.accept(receiver, [entries[0], broken, entries[1]])
    async with running(Worker([receiver], house.inbox)):
        await until(lambda: len(seen) == 2)
        [found] = await until(house.inbox.parked.page)
    assert found.event_id == "older"
    assert found.attempts == 1
    assert found.reason.startswith("malformed: the body's instance.price")


async def test_headers_that_an_earlier_release_wrote_with_nan_are_shown(house: House) -> None:
    bad = entry(RECEIVER, delivery(body=b"{"))
    await house.inbox.accept(RECEIVER, [bad._replace(headers=b'{"a":NaN,"b":-Infinity}')])
    [found] = await house.inbox.parked.page()
    shown = await house.inbox.parked.show(found.id)
    assert shown is not None
    assert shown.headers == {"a": "NaN", "b": "-Infinity"}
