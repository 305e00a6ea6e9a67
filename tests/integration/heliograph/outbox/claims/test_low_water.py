import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from heliograph import Event
from heliograph.outbox import Progress, Relay
from heliograph.outbox.claims import low_water
from heliograph.outbox.claims.low_water import LowWaterMarks
from heliograph.outbox.claims.postgresql import PostgresClaims
from tests.integration.heliograph.conftest import House, open_house
from tests.integration.heliograph.outbox.test_relay import Broker
from tests.samples import event, product

LAMP = product()


class Office:
    """A relay that looks when it is told to, and a house whose events are all about one lamp."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.broker = Broker()
        self.claims = PostgresClaims(house.database)
        self.relay = Relay(self.claims, self.broker, house.outbox.bell)

    async def relay_all(self) -> None:
        while await self.relay.relay_once() is Progress.MORE:
            pass

    async def announce(self) -> str:
        sent = event(LAMP)
        await self.house.announce(sent)
        return str(sent.id)

    @asynccontextmanager
    async def announcing(self) -> AsyncIterator[Event[object]]:
        """Announce in a transaction that ends with the block, not when its row is written."""
        sent = event(LAMP)
        async with self.house.database.transaction() as session:
            await session.execute(text("SELECT pg_current_xact_id()"))
            self.house.outbox.hold(sent, session)
            await self.house.outbox.write_held(session)
            yield sent

    @property
    def mark(self) -> int:
        """The greatest of all partitions."""
        return max(self.claims.low_water.of(range(8)))


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    async with open_house(postgres_url) as house:
        yield Office(house)


@pytest.mark.postgresql
async def test_a_claim_begins_where_the_last_rows_were(office: Office) -> None:
    for _ in range(3):
        await office.announce()
        await office.relay_all()
    assert office.mark >= 2


@pytest.mark.postgresql
async def test_what_commits_late_is_not_passed_over(office: Office) -> None:
    async with office.announcing() as late:
        early = [await office.announce() for _ in range(2)]
        await office.relay_all()
        early.append(await office.announce())
        await office.relay_all()
        assert office.broker.ids == early
        assert office.mark == 0
    await office.relay_all()
    assert office.broker.ids == [*early, str(late.id)]
    await office.announce()
    await office.relay_all()
    await office.announce()
    await office.relay_all()
    assert office.mark > 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_water, "BELIEVED_S", 0.01)


@pytest.mark.postgresql
@pytest.mark.usefixtures("impatient")
async def test_a_database_that_goes_back_in_time_loses_nothing(office: Office) -> None:
    for _ in range(3):
        await office.announce()
        await office.relay_all()
    async with office.house.database.engine.begin() as connection:
        await connection.execute(text("TRUNCATE outbox RESTART IDENTITY"))
    restored = await office.announce()
    async with asyncio.timeout(10):
        while restored not in office.broker.ids:
            await office.relay_all()


def test_a_mark_waits_for_every_older_transaction() -> None:
    known = LowWaterMarks()
    assert known.of([3, 4]) == [0, 0]
    known.see(3, 70, transaction=12, ended=9)
    known.see(3, 90, transaction=14, ended=11)
    assert known.of([3, 4]) == [0, 0]
    known.see(3, 90, transaction=16, ended=12)
    assert known.of([3, 4]) == [70, 0]
    known.see(3, 95, transaction=18, ended=16)
    assert known.of([3, 4]) == [90, 0]


def test_a_mark_is_no_higher_than_what_came_late() -> None:
    known = LowWaterMarks()
    known.of([3])
    known.see(3, 70, transaction=12, ended=9)
    known.see(3, 60, transaction=14, ended=12)
    assert known.of([3]) == [60]
