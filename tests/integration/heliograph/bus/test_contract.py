"""What both buses promise.

A publish and its subscriber run side by side here, because the memory bus confirms only
what a subscriber has acked.
"""

import asyncio

import pytest

from heliograph import BusUnavailable, MessageRefused
from heliograph.bus import Binding, Bus, Queue
from tests.buses import AUDIT, EMAILS, ids, message, messages, receive, topology, until

TOO_LARGE = 16 * 1024 * 1024
"""Bytes of a body: RabbitMQ 4 takes no more by default, and the brokers of tests neither."""


async def test_a_message_arrives_as_it_was_sent(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        taken, [delivery] = await asyncio.gather(
            bus.publish([message(1)]), receive(subscription, 1)
        )
    assert taken == {"e1"}
    assert delivery.queue == "notifier.emails"
    assert delivery.routing_key == "catalog.product.post_save"
    assert delivery.headers == message(1).headers
    assert delivery.body == message(1).body
    assert delivery.message_id == "e1"
    assert delivery.content_type == "application/json"
    assert not delivery.redelivered


async def test_a_message_says_by_its_properties_what_its_headers_say(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    plain, event = message(1), message(2)
    kind = {"ce-type": "catalog.product.post_save.v1", "ce-time": "2026-01-31T09:30:00.999999Z"}
    event = event._replace(headers={**event.headers, **kind})
    async with bus.subscribe(EMAILS.name) as subscription:
        _, found = await asyncio.gather(bus.publish([plain, event]), receive(subscription, 2))
    assert [(each.type, each.timestamp, each.app_id) for each in found] == [
        (None, None, "catalog"),
        ("catalog.product.post_save.v1", 1_769_851_800, "catalog"),
    ]


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 400_000])
async def test_a_body_of_any_size_arrives_whole(bus: Bus, size: int) -> None:
    await bus.declare(topology(EMAILS))
    sent = message(1)._replace(body=b"x" * size)
    async with bus.subscribe(EMAILS.name) as subscription:
        _, [delivery] = await asyncio.gather(bus.publish([sent]), receive(subscription, 1))
    assert delivery.body == sent.body


async def test_a_message_goes_to_every_queue_whose_pattern_matches(bus: Bus) -> None:
    await bus.declare(topology(EMAILS, AUDIT))
    sent = [message(1), message(2, key="catalog.category.post_save"), message(3)]
    async with bus.subscribe(EMAILS.name) as emails, bus.subscribe(AUDIT.name) as audit:
        taken, mailed, audited = await asyncio.gather(
            bus.publish(sent), receive(emails, 2), receive(audit, 3)
        )
    assert taken == {"e1", "e2", "e3"}
    assert ids(mailed) == ["e1", "e3"]
    assert ids(audited) == ["e1", "e2", "e3"]


async def test_two_patterns_of_one_queue_deliver_one_copy(bus: Bus) -> None:
    both = Queue(
        "notifier.both", (Binding("catalog.events", "#"), Binding("catalog.events", "catalog.*.*"))
    )
    await bus.declare(topology(both))
    async with bus.subscribe(both.name) as subscription:
        _, found = await asyncio.gather(bus.publish(messages(3)), receive(subscription, 3))
    assert ids(found) == ["e0", "e1", "e2"]


async def test_a_message_that_nobody_has_bound_is_taken_and_counted(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    sent = [message(1, key="catalog.image.post_save"), message(2, key="catalog.image.pre_save")]
    assert await bus.publish(sent) == {"e1", "e2"}
    assert bus.unrouted == 2


async def test_publishing_nothing_takes_nothing(bus: Bus) -> None:
    assert await bus.publish([]) == frozenset()


async def test_publishing_to_an_exchange_that_nobody_declared_is_unavailable(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match=r"catalog\.events"):
        await bus.publish([message(1)])
    await bus.declare(topology())
    assert await bus.publish([message(1)]) == {"e1"}


async def test_a_large_batch_arrives_in_order(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    sent = messages(5000)
    async with bus.subscribe(EMAILS.name) as subscription:
        taken, found = await asyncio.gather(bus.publish(sent), receive(subscription, 5000))
    assert len(taken) == 5000
    assert ids(found) == [each.id for each in sent]


async def test_many_callers_publish_at_once_each_in_order(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    batches = [[message(caller * 100 + n) for n in range(20)] for caller in range(30)]
    async with bus.subscribe(EMAILS.name) as subscription:
        publishing = asyncio.gather(*(bus.publish(batch) for batch in batches))
        found = await receive(subscription, 600)
        taken = await publishing
    assert [len(each) for each in taken] == [20] * 30
    arrived = ids(found)
    for batch in batches:
        expected = [each.id for each in batch]
        assert [name for name in arrived if name in expected] == expected


async def test_the_same_message_sent_twice_arrives_twice(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        first, second, found = await asyncio.gather(
            bus.publish([message(1)]), bus.publish([message(1)]), receive(subscription, 2)
        )
    assert first == second == {"e1"}
    assert ids(found) == ["e1", "e1"]


async def test_a_message_that_stands_twice_in_a_batch_arrives_twice(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        taken, found = await asyncio.gather(
            bus.publish([message(1), message(2), message(1)]), receive(subscription, 3)
        )
    assert taken == {"e1", "e2"}
    assert ids(found) == ["e1", "e2", "e1"]


async def test_a_cancelled_publish_disturbs_no_other(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    given_up = asyncio.create_task(bus.publish(messages(50)))
    await asyncio.sleep(0)
    given_up.cancel()
    async with bus.subscribe(EMAILS.name) as subscription:

        async def receive_the_last() -> None:
            async for batch in subscription:
                await subscription.ack(batch)
                if "e99" in ids([*batch]):
                    return

        async with asyncio.timeout(10):
            taken, _ = await asyncio.gather(bus.publish([message(99)]), receive_the_last())
    assert taken == {"e99"}


async def test_what_was_not_acked_comes_again_in_order(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    publishing = asyncio.create_task(bus.publish(messages(4)))
    async with bus.subscribe(EMAILS.name) as subscription:
        found = await receive(subscription, 4, ack=False)
        await subscription.ack(found[:1])
    async with bus.subscribe(EMAILS.name) as subscription:
        again = await receive(subscription, 3)
    assert ids(again) == ["e1", "e2", "e3"]
    assert all(each.redelivered for each in again)
    assert await publishing == {"e0", "e1", "e2", "e3"}


async def test_acks_may_come_in_any_order_and_twice(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    publishing = asyncio.create_task(bus.publish(messages(6)))
    async with bus.subscribe(EMAILS.name) as subscription:
        found = await receive(subscription, 6, ack=False)
        await subscription.ack([found[3], found[5]])
        await subscription.ack([found[0], found[3]])
        await subscription.ack([found[1]])
    async with bus.subscribe(EMAILS.name) as subscription:
        again = await receive(subscription, 2)
    assert ids(again) == ["e2", "e4"]
    await publishing


async def test_the_ack_of_an_earlier_subscription_is_ignored(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    publishing = asyncio.create_task(bus.publish(messages(3)))
    async with bus.subscribe(EMAILS.name) as earlier:
        stale = await receive(earlier, 3, ack=False)
    async with bus.subscribe(EMAILS.name) as subscription:
        again = await receive(subscription, 3, ack=False)
        await earlier.ack(stale)
    async with bus.subscribe(EMAILS.name) as subscription:
        assert ids(await receive(subscription, 3)) == ids(again)
    await publishing


async def test_no_more_than_the_prefetch_is_out_at_once(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    publishing = asyncio.create_task(bus.publish(messages(25)))
    out = most = 0
    async with bus.subscribe(EMAILS.name, prefetch=4) as subscription:
        async for batch in subscription:
            most = max(most, len(batch))
            out += len(batch)
            await subscription.ack(batch)
            if out == 25:
                break
    assert most <= 4
    assert len(await publishing) == 25


async def test_of_two_consumers_one_is_given_everything_and_the_other_takes_over(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as active:
        await until(lambda: active.ready)
        async with bus.subscribe(EMAILS.name) as standby:
            await until(lambda: standby.ready)
            waiting = asyncio.create_task(receive(standby, 2))
            publishing = asyncio.create_task(bus.publish(messages(10)))
            assert ids(await receive(active, 10)) == [f"e{n}" for n in range(10)]
            await publishing
            assert not waiting.done()
            publishing = asyncio.create_task(bus.publish(messages(2)))
            await receive(active, 2, ack=False)
            waiting.cancel()
    async with bus.subscribe(EMAILS.name) as heir:
        assert ids(await receive(heir, 2)) == ["e0", "e1"]
    await publishing


async def test_a_standby_takes_over_when_the_active_consumer_ends(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    active_context = bus.subscribe(EMAILS.name)
    active = await active_context.__aenter__()
    await until(lambda: active.ready)
    async with bus.subscribe(EMAILS.name) as standby:
        await until(lambda: standby.ready)
        publishing = asyncio.create_task(bus.publish(messages(3)))
        await receive(active, 3, ack=False)
        await active_context.__aexit__(None, None, None)
        assert ids(await receive(standby, 3)) == ["e0", "e1", "e2"]
        assert len(await publishing) == 3


async def test_a_subscription_to_a_missing_queue_is_not_ready_until_it_is_declared(
    bus: Bus,
) -> None:
    async with bus.subscribe(EMAILS.name) as subscription:
        assert not subscription.ready
        await bus.declare(topology(EMAILS))
        await until(lambda: subscription.ready)
        _, found = await asyncio.gather(bus.publish(messages(1)), receive(subscription, 1))
    assert ids(found) == ["e0"]
    assert not subscription.ready


async def test_iteration_ends_with_the_subscription(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        reading = asyncio.create_task(receive(subscription, 1))
        await until(lambda: subscription.ready)
    assert await reading == []


async def test_iteration_ends_when_the_bus_closes(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        reading = asyncio.create_task(receive(subscription, 1))
        await until(lambda: subscription.ready)
        await bus.close()
        assert await reading == []
        assert not subscription.ready


async def test_declaring_twice_and_closing_twice_are_harmless(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    await bus.declare(topology(EMAILS, AUDIT))
    await bus.close()
    await bus.close()


async def test_a_closed_bus_is_unavailable(bus: Bus) -> None:
    await bus.declare(topology())
    await bus.check()
    await bus.close()
    with pytest.raises(BusUnavailable):
        await bus.check()
    with pytest.raises(BusUnavailable):
        await bus.publish([message(1)])
    with pytest.raises(BusUnavailable):
        async with bus.subscribe(EMAILS.name):
            pass


async def test_what_is_expected_and_there_is_verified(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    bus.expect(topology(EMAILS))
    await bus.verify()


async def test_a_message_arrives_as_its_publishers(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.name) as subscription:
        _, [delivery] = await asyncio.gather(bus.publish([message(1)]), receive(subscription, 1))
    assert delivery.user == bus.user


async def test_the_queue_of_what_the_broker_gave_up_is_there_to_consume(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    async with bus.subscribe(EMAILS.dead) as subscription:
        await until(lambda: subscription.ready)


async def test_a_message_that_is_too_large_is_refused_and_all_others_go(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    before, after = message(1), message(3)
    huge = message(2)._replace(body=b"x" * (TOO_LARGE + 1))
    async with bus.subscribe(EMAILS.name) as subscription:
        publishing = asyncio.create_task(bus.publish([before, huge, after]))
        assert ids(await receive(subscription, 1)) == ["e1"]
        with pytest.raises(MessageRefused, match=str(len(huge.body))) as refused:
            await publishing
        assert refused.value.taken <= {"e1"}
        with pytest.raises(MessageRefused):
            await bus.publish([huge])
        taken, found = await asyncio.gather(bus.publish([after]), receive(subscription, 1))
    assert taken == {"e3"}
    assert ids(found) == ["e3"]


async def test_who_publishes_beside_a_refused_message_hears_nothing_of_it(bus: Bus) -> None:
    await bus.declare(topology(EMAILS))
    huge = message(0)._replace(body=b"x" * (TOO_LARGE + 1))

    async def refused() -> None:
        with pytest.raises(MessageRefused):
            await bus.publish([huge])

    async with bus.subscribe(EMAILS.name) as subscription:
        receiving = asyncio.create_task(receive(subscription, 40))
        refusals = [asyncio.create_task(refused()) for _ in range(2)]
        for number in range(1, 41):
            assert await bus.publish([message(number)]) == {f"e{number}"}
        await asyncio.gather(*refusals)
        assert len(await receiving) == 40
