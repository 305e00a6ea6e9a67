"""Events that the bus refuses: put aside, tried again, decided on, each subject in order."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from heliograph import BusUnavailable, Event, MessageRefused
from heliograph.bus import Message
from heliograph.database import database_now
from heliograph.outbox import Progress, Relay
from heliograph.outbox.outbox import EventsRefused
from tests.integration.heliograph.conftest import House, open_house, outbox_rows, running
from tests.polling import until
from tests.samples import event, product


class Broker:
    """A bus that remembers what it has, will never have some messages and turns others down."""

    def __init__(self) -> None:
        self.copies: list[str] = []
        self.never: set[str] = set()
        self.turned_down: set[str] = set()
        self.away = False

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        if self.away:
            raise BusUnavailable("the broker is away")
        taken: list[str] = []
        for message in messages:
            if message.id in self.never:
                raise MessageRefused("PRECONDITION_FAILED - message size", taken)
            self.copies.append(message.id)
            if message.id not in self.turned_down:
                taken.append(message.id)
        return frozenset(taken)

    @property
    def first_copies(self) -> list[str]:
        return [*dict.fromkeys(self.copies)]


def names(*events: Event[object]) -> list[str]:
    return [str(each.id) for each in events]


async def relayed(house: House, broker: Broker) -> None:
    """Relay until nothing more can go."""
    claims = house.claims()
    relay = Relay(claims, broker, house.outbox.bell)
    while await relay.relay_once() is Progress.MORE:
        pass
    await claims.release()


async def parked(house: House) -> list[str]:
    return [each.event_id for each in await house.outbox.parked.page()]


async def due(house: House, seconds: float = 400) -> None:
    """Let the pauses of what was turned down be over."""
    await house.outbox.backlog.hasten(timedelta(seconds=seconds))


async def left(house: House) -> int:
    async with house.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(outbox_rows)) or 0


async def test_what_the_broker_will_not_have_is_set_aside_and_holds_its_subject_only(
    house: House,
) -> None:
    lamp, chair = product(), product()
    first, huge, behind = (event(lamp, version=number) for number in (1, 2, 3))
    other = event(chair)
    broker = Broker()
    broker.never = {str(huge.id)}
    await house.announce(first, huge, behind, other)
    await relayed(house, broker)
    later, another = event(lamp, version=4), event(product())
    await house.announce(later, another)
    await relayed(house, broker)

    assert set(broker.copies) == set(names(first, other, another))
    [found] = await house.outbox.parked.page()
    assert (found.event_id, found.subject) == (str(huge.id), str(lamp.id))
    assert (found.attempts, found.reason) == (1, "PRECONDITION_FAILED - message size")
    assert await house.outbox.refusals() == (1, 0)
    assert (await house.outbox.status())[0] == 2
    with pytest.raises(EventsRefused, match="1 events are parked"):
        await house.outbox.check()


async def test_a_discarded_event_never_goes_and_those_behind_it_go_in_order(house: House) -> None:
    lamp = product()
    huge, *behind = (event(lamp, version=number) for number in range(1, 6))
    broker = Broker()
    broker.never = {str(huge.id)}
    await house.announce(huge, *behind[:2])
    await relayed(house, broker)
    await house.announce(*behind[2:])
    await relayed(house, broker)
    assert broker.copies == []
    [found] = await house.outbox.parked.page()
    assert await house.outbox.parked.discard([found.id, 10_000]) == 1
    assert await parked(house) == []
    await relayed(house, broker)
    assert broker.copies == names(*behind)
    assert await left(house) == 0
    await house.outbox.check()


async def test_a_redriven_event_goes_before_those_behind_it(house: House) -> None:
    lamp = product()
    huge, *behind = (event(lamp, version=number) for number in range(1, 5))
    broker = Broker()
    broker.never = {str(huge.id)}
    await house.announce(huge, *behind)
    await relayed(house, broker)
    assert await house.outbox.parked.redrive(None) == 1
    await relayed(house, broker)
    assert await parked(house) == names(huge)
    broker.never.clear()
    assert await house.outbox.parked.redrive(None) == 1
    assert await house.outbox.parked.redrive(None) == 0
    await relayed(house, broker)
    assert broker.copies == names(huge, *behind)
    assert await left(house) == 0


async def test_a_redrive_wakes_the_relay(house: House) -> None:
    lost = event()
    broker = Broker()
    broker.never = {str(lost.id)}
    await house.announce(lost)
    async with running(Relay(house.claims(), broker, house.outbox.bell)):
        await until(lambda: parked(house))
        broker.never.clear()
        await house.outbox.parked.redrive(None)
        await until(lambda: broker.copies)


async def test_a_view_that_is_refused_holds_nobody_and_is_held_by_nobody(house: House) -> None:
    lamp = product()
    huge, view, other = event(lamp), event(lamp, version=None), event(lamp, version=None)
    broker = Broker()
    broker.never = {str(huge.id), str(view.id)}
    await house.announce(huge, view, other)
    await relayed(house, broker)
    assert set(await parked(house)) == set(names(huge, view))
    assert broker.copies == names(other)
    broker.never.clear()
    await house.outbox.parked.redrive(None)
    await relayed(house, broker)
    assert set(broker.copies) == set(names(huge, view, other))


async def test_what_a_queue_turns_down_comes_again_after_pauses_that_grow(house: House) -> None:
    first, behind = event(lamp := product()), event(lamp, version=2)
    broker = Broker()
    broker.turned_down = set(names(first))
    await house.announce(first)
    pauses = []
    for attempt in range(1, 12):
        await relayed(house, broker)
        await relayed(house, broker)
        assert len(broker.copies) == attempt
        pauses.append(await _pause(house))
        await due(house)
    assert all(0.7 * 2**n - 1 < pause <= 2**n for n, pause in enumerate(pauses[:8]))
    assert all(200 < pause <= 300 for pause in pauses[9:])
    await house.announce(behind)
    await relayed(house, broker)
    assert str(behind.id) not in broker.copies
    assert await house.outbox.refusals() == (0, 1)
    broker.turned_down.clear()
    await due(house)
    await relayed(house, broker)
    assert broker.first_copies == names(first, behind)
    assert await left(house) == 0


async def _pause(house: House) -> float:
    async with house.database.reading() as session:
        [(due_at, now)] = await session.execute(select(outbox_rows.c.due_at, database_now()))
    return float((due_at - now).total_seconds())


async def test_many_that_are_turned_down_do_not_shut_out_newer_subjects(house: House) -> None:
    refused = [event(product()) for _ in range(1_200)]
    behind = [event(each.instance, version=2) for each in refused[:600]]
    broker = Broker()
    broker.turned_down = set(names(*refused))
    await house.announce(*refused)
    await relayed(house, broker)
    await house.announce(*behind)
    newer = [event(product()) for _ in range(20)]
    await house.announce(*newer)
    await relayed(house, broker)
    assert set(names(*newer)) <= set(broker.copies)
    assert not set(names(*behind)) & set(broker.copies)


async def test_a_broker_that_is_away_refuses_nobody(house: House) -> None:
    sent = [event(product()) for _ in range(5)]
    failures: list[str] = []
    broker = Broker()
    broker.away = True
    relay = Relay(house.claims(), broker, house.outbox.bell, on_failure=failures.append)
    async with running(relay):
        await house.announce(*sent)
        await until(lambda: relay.trouble and failures == ["bus"] * len(failures))
        assert await house.outbox.refusals() == (0, 0)
        broker.away = False
        await until(lambda: len(broker.copies) == 5)


async def test_refusals_are_counted_and_said_with_what_to_look_for(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    huge, full = event(product()), event(product())
    broker = Broker()
    broker.never, broker.turned_down = set(names(huge)), set(names(full))
    counts: list[int] = []
    await house.announce(huge, full)
    relay = Relay(house.claims(), broker, house.outbox.bell, on_refused=counts.append)
    while await relay.relay_once() is Progress.MORE:
        pass
    assert sum(counts) == 2
    said = capsys.readouterr().out + caplog.text
    assert "x-overflow=reject-publish" in said
    assert "catalog.product.post_save" in said
    assert "outbox show" in said


async def test_each_subject_keeps_its_order_through_refusals_and_decisions(
    database_url: str,
) -> None:
    rng = random.Random(13)  # noqa: S311 - replays
    async with open_house(database_url) as one, open_house(database_url) as other:
        broker = Broker()
        houses = [one, other]
        lamps = [product() for _ in range(12)]
        sent: dict[str, list[str]] = {str(lamp.id): [] for lamp in lamps}
        discarded: set[str] = set()
        for _ in range(40):
            for _ in range(3):
                lamp = rng.choice(lamps)
                mine = sent[str(lamp.id)]
                made = event(lamp, version=len(mine) + 1)
                mine.append(str(made.id))
                await one.announce(made)
                if rng.random() < 0.2:
                    rng.choice([broker.never, broker.turned_down]).add(str(made.id))
            await asyncio.gather(*(_once(house, broker) for house in houses))
            for each in await one.outbox.parked.page():
                if rng.random() < 0.3:
                    discarded.add(each.event_id)
                    await other.outbox.parked.discard([each.id])
                elif rng.random() < 0.5:
                    broker.never.discard(each.event_id)
                    await one.outbox.parked.redrive([each.id])
            if rng.random() < 0.5:
                broker.turned_down.clear()
                await due(one)
        broker.never.clear()
        broker.turned_down.clear()
        await one.outbox.parked.redrive(None)
        await due(one)
        await relayed(one, broker)
        assert await left(one) == 0
    for mine in sent.values():
        wanted = [each for each in mine if each not in discarded]
        assert [each for each in broker.first_copies if each in mine] == wanted


async def _once(house: House, broker: Broker) -> None:
    claims = house.claims()
    await Relay(claims, broker, house.outbox.bell).relay_once(limit=10)
    await claims.release()


@pytest.mark.postgresql
async def test_what_waits_behind_a_parked_event_is_passed_by_once(postgres_url: str) -> None:
    """A claim does not walk through the thousands that wait behind one."""
    async with open_house(postgres_url) as house:
        lamp = product()
        huge = event(lamp)
        broker = Broker()
        broker.never = set(names(huge))
        await house.announce(huge, *(event(lamp, version=number) for number in range(2, 1_502)))
        await relayed(house, broker)
        async with house.database.reading() as session:
            lanes = await session.scalars(select(outbox_rows.c.partition).distinct())
            assert all(each < 0 for each in lanes)
        await house.outbox.parked.discard(None)
        await relayed(house, broker)
        assert len(broker.copies) == 1_500
