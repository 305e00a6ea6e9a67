"""A relay on a real broker that will not have some events, and beside a queue that is full."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aiormq
import pytest
from pamqp.common import FieldTable
from sqlalchemy import update

from heliograph import Event
from heliograph.bus import Topology
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.outbox import Relay
from tests.integration.heliograph.conftest import House, open_house, outbox_rows, running
from tests.polling import until
from tests.samples import event, product

TOO_LARGE = 16 * 1024 * 1024 + 1
NEIGHBOUR = "neighbour"
FULL: FieldTable = {"x-max-length": 1, "x-overflow": "reject-publish"}


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[aiormq.Channel]:
    """A stranger's, who has a queue bound to everything."""
    bus = RabbitBus(amqp_url)
    await bus.declare(Topology(exchanges=("catalog.events",)))
    await bus.close()
    async with aiormq.connect(amqp_url) as connection:
        channel = await connection.channel()
        assert isinstance(channel, aiormq.Channel)
        await channel.queue_declare(NEIGHBOUR)
        await channel.queue_bind(NEIGHBOUR, "catalog.events", "#")
        yield channel


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(amqp_url)
    yield bus
    await bus.close()


async def heard(channel: aiormq.Channel, copies: list[str]) -> list[str]:
    """Add what the neighbour has got since to `copies`; returns them."""
    while (got := await channel.basic_get(NEIGHBOUR, no_ack=True)).body:
        copies.append(str(got.header.properties.message_id))
    return copies


async def enlarge(house: House, sent: Event[object]) -> None:
    """Give an event in the outbox a body that the broker will not have."""
    async with house.database.transaction() as session:
        await session.execute(
            update(outbox_rows)
            .where(outbox_rows.c.event_id == str(sent.id))
            .values(body=bytes(TOO_LARGE))
        )


async def test_an_event_that_is_too_large_for_the_broker_stops_its_subject_and_nobody_else(
    database_url: str, rabbit: RabbitBus, channel: aiormq.Channel
) -> None:
    lamp = product()
    huge, behind = event(lamp), event(lamp, version=2)
    others = [event(product()) for _ in range(60)]
    copies: list[str] = []
    async with open_house(database_url) as house, open_house(database_url) as other:
        await house.announce(*others[:30], huge, behind, *others[30:])
        await enlarge(house, huge)
        relays = [Relay(each.claims(), rabbit, each.outbox.bell) for each in (house, other)]
        async with running(*relays):
            await until(house.outbox.parked.page, within=30)
            await until(lambda: _only_behind(house), within=30)
            [found] = await house.outbox.parked.page()
            assert found.event_id == str(huge.id)
            assert found.bytes == TOO_LARGE
            assert "message size" in found.reason
            assert set(await heard(channel, copies)) == {str(each.id) for each in others}
            assert all(each.trouble is None for each in relays)
            shown = await house.outbox.parked.show(found.id)
            assert shown is not None
            assert len(shown.body) < 70_000
            await house.outbox.parked.discard([found.id])
            await until(lambda: _is_empty(house), within=30)
    assert (await heard(channel, copies))[-1] == str(behind.id)
    assert str(huge.id) not in copies


async def _only_behind(house: House) -> bool:
    return (await house.outbox.status())[0] == 1


async def _is_empty(house: House) -> bool:
    return (await house.outbox.status())[0] == 0


async def test_a_queue_that_is_full_costs_its_neighbour_a_copy_a_pause(
    database_url: str, rabbit: RabbitBus, channel: aiormq.Channel
) -> None:
    await channel.queue_declare("full", arguments=FULL)
    await channel.queue_bind("full", "catalog.events", "catalog.product.#")
    # The first fills it, the second is turned down.
    filling = [event(product()) for _ in range(2)]
    refused, behind = event(lamp := product()), event(lamp, version=2)
    other = event(product(), signal="pre_delete")
    copies: list[str] = []
    async with open_house(database_url) as house:
        relay = Relay(house.claims(), rabbit, house.outbox.bell)
        async with running(relay):
            for each in filling:
                await house.announce(each)
            await until(lambda: _refused(house, 1))
            began = time.monotonic()
            await house.announce(refused)
            await until(lambda: _refused(house, 2))
            await house.announce(behind, other)
            while time.monotonic() < began + 6:
                await heard(channel, copies)
                await asyncio.sleep(0.1)
            # At once, after 1 s, 3 s; not yet after 7 s.
            assert 2 <= copies.count(str(refused.id)) <= 4
            assert str(behind.id) not in copies
            assert relay.trouble is None
            await channel.queue_delete("full")
            await house.outbox.backlog.hasten(timedelta(seconds=300))
            await until(lambda: _is_empty(house))
        await heard(channel, copies)
    mine = [str(refused.id), str(behind.id)]
    assert [each for each in dict.fromkeys(copies) if each in mine] == mine
    assert str(other.id) in copies


async def _refused(house: House, count: int) -> bool:
    return (await house.outbox.refusals())[1] == count
