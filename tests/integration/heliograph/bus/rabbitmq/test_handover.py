"""One consumer gives a queue to the next, in order, whatever it has not acked."""

from contextlib import AsyncExitStack

import pytest

from heliograph.bus.rabbitmq import RabbitBus
from tests.buses import EMAILS, ids, messages, publish_until_taken, receive, topology, until


@pytest.mark.parametrize("acked", [0, 3])
async def test_what_was_not_acked_comes_to_the_next_before_all_that_is_newer(
    amqp_url: str, acked: int
) -> None:
    older, newer = RabbitBus(amqp_url), RabbitBus(amqp_url)
    wanted = messages(60)
    try:
        await older.declare(topology(EMAILS))
        async with AsyncExitStack() as waiting:
            async with older.subscribe(EMAILS.name, prefetch=10) as first:
                await until(lambda: first.ready)
                # Behind the first, which is the active one.
                following = newer.subscribe(EMAILS.name, prefetch=10)
                second = await waiting.enter_async_context(following)
                await until(lambda: second.ready)
                await publish_until_taken(older, wanted)
                taken = await receive(first, 10, ack=False)
                await first.ack(taken[:acked])
            left = await receive(second, len(wanted) - acked)
        assert ids(left) == [each.id for each in wanted[acked:]]
    finally:
        await older.close()
        await newer.close()
