import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from heliograph import BusUnavailable
from heliograph.bus import Message
from heliograph.logging import NAMED
from heliograph.outbox import PARTITIONS, Claims, Progress, Relay
from heliograph.outbox.claims import Claim, Outcome
from heliograph.outbox.claims.postgresql import SHARE
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import House, open_house, running
from tests.polling import until
from tests.samples import event, product
from tests.statements import statements_of


class Broker:
    """A bus that remembers, and that refuses what it is told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.batches: list[list[str]] = []
        self.refuse: set[str] = set()
        self.away = False
        self.pause = 0.0

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        if self.away:
            raise BusUnavailable("the broker is away")
        self.batches.append([each.id for each in messages])
        await asyncio.sleep(self.pause)
        taken = [each for each in messages if each.id not in self.refuse]
        self.sent += taken
        return frozenset(each.id for each in taken)

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.sent]


class Gate(Broker):
    """A bus whose answers wait until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        taken = await super().publish(messages)
        await self.open.wait()
        return taken


class Counting:
    """Claims that are counted."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self.parallel = claims.parallel
        self.begun = self.ended = 0

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claim]:
        self.begun += 1
        async with self._claims.claim(limit) as claim:
            yield claim
        self.ended += 1

    async def release(self) -> None:
        await self._claims.release()


async def rows(house: House) -> int:
    return (await house.outbox.status())[0]


async def test_what_was_committed_is_published_and_deleted(house: House) -> None:
    lamp = product()
    before, after = event(lamp, signal="pre_save"), event(lamp)
    await house.announce(before, after)
    assert await rows(house) == 2
    broker = Broker()
    async with running(Relay(house.claims(), broker, house.outbox.bell)):
        await until(lambda: len(broker.sent) == 2)
        assert broker.ids == [str(before.id), str(after.id)]
        assert broker.sent[0].headers["ce-subjectsequence"] == "000000000001.0000"
        assert broker.sent[0].routing_key == "catalog.product.pre_save"
        await until(lambda: _is_empty(house))


async def _is_empty(house: House) -> bool:
    return await rows(house) == 0


async def test_a_relay_says_once_that_it_is_interrupted_and_once_that_it_goes_on(
    house: House,
) -> None:
    broker = Broker()
    broker.away = True
    failures: list[str] = []
    relay = Relay(house.claims(), broker, house.outbox.bell, on_failure=failures.append)
    with capture_logs() as lines:
        async with running(relay):
            await house.announce(*(event(product()) for _ in range(5)))
            await until(lambda: len(failures) >= 4)
            broker.away = False
            await until(lambda: len(broker.sent) == 5)
            await until(lambda: _is_empty(house))
    told = [each["event"] for each in lines if each["event"].startswith("relay ")]
    assert told == ["relay interrupted, will try again", "relay goes on"]


@sqlite_suffices
async def test_what_is_published_is_told_in_a_line_a_batch(house: House) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    lamp = event(traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    relay = Relay(house.claims(), Broker(), house.outbox.bell)
    with capture_logs() as lines:
        await house.announce(lamp)
        await relay.relay_once()
        await house.announce(*(event() for _ in range(20)))
        await relay.relay_once()
    one, many = [each for each in lines if each["event"] == "published"]
    about = (str(lamp.id), str(lamp.instance.id), trace)
    assert (one["event_id"], one["subject"], one["trace"]) == about
    assert (many["events"], len(many["event_ids"])) == (20, NAMED)


async def test_what_was_rolled_back_is_not_published(house: House) -> None:
    async def fail() -> None:
        async with house.database.transaction() as session:
            house.outbox.hold(event(), session)
            await house.outbox.write_held(session)
            await session.execute(text("SELECT no_such_column"))

    with pytest.raises(DBAPIError):
        await fail()
    assert await rows(house) == 0


@pytest.fixture
def never_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.outbox.relay.POLL_S", 3600)


@pytest.mark.usefixtures("never_polling")
async def test_a_commit_wakes_the_relay(house: House) -> None:
    claims, broker = Counting(house.claims()), Broker()
    async with running(Relay(claims, broker, house.outbox.bell)):
        await until(lambda: claims.ended == claims.parallel)
        await house.announce(event())
        await until(lambda: broker.sent)


async def test_events_wait_while_the_broker_is_away(house: House) -> None:
    broker = Broker()
    broker.away = True
    relay = Relay(house.claims(), broker, house.outbox.bell)
    async with running(relay):
        await house.announce(event())
        await until(lambda: relay.trouble)
        assert await rows(house) == 1
        broker.away = False
        await until(lambda: broker.sent)
        await until(lambda: relay.trouble is None)


async def test_after_a_refusal_nothing_more_of_that_subject_is_sent(house: House) -> None:
    lamp, chair = product(), product()
    first, second, third = (event(lamp, version=number) for number in (1, 2, 3))
    other = event(chair)
    await house.announce(first)
    broker = Broker()
    broker.refuse = {str(first.id)}
    relay = Relay(house.claims(), broker, house.outbox.bell)
    assert await relay.relay_once() is not Progress.STUCK
    await house.announce(second, third, other)
    while str(other.id) not in broker.ids:
        await relay.relay_once()
    await relay.relay_once()
    assert broker.ids == [str(other.id)]
    assert str(second.id) not in {each for batch in broker.batches for each in batch}
    broker.refuse.clear()
    await house.outbox.backlog.hasten(timedelta(seconds=2))
    while await relay.relay_once() is not Progress.DONE:
        pass
    assert broker.ids == [str(each.id) for each in (other, first, second, third)]


async def test_two_relays_share_the_work_and_keep_each_products_order(database_url: str) -> None:
    async with open_house(database_url) as one, open_house(database_url) as other:
        lamps = [product() for _ in range(40)]
        for version in range(1, 6):
            await one.announce(*[event(lamp, version=version) for lamp in lamps])
        broker = Broker()
        broker.pause = 0.005
        shares = [Broker(), Broker()]
        for share in shares:
            share.sent, share.pause = broker.sent, broker.pause
        relays = [
            Relay(house.claims(), share, house.outbox.bell)
            for house, share in zip((one, other), shares, strict=True)
        ]
        while await rows(one):
            await asyncio.gather(*[relay.relay_once(limit=10) for relay in relays])
    first_copies = {each.id: each for each in reversed(broker.sent)}
    assert len(first_copies) == 200
    sequences = sorted(
        ((each.headers["ce-subject"], each.headers["ce-subjectsequence"]) for each in broker.sent),
        key=lambda pair: pair[0],
    )
    for _, group in groupby(sequences, key=lambda pair: pair[0]):
        order = [sequence for _, sequence in group]
        assert order == sorted(order)


async def test_views_wait_behind_all_other_events(house: House) -> None:
    view = event(version=None, signal="viewed")
    saved = event()
    await house.announce(view)
    await house.announce(saved)
    broker = Broker()
    relay = Relay(house.claims(), broker, house.outbox.bell)
    while await relay.relay_once() is Progress.MORE:
        pass
    assert broker.ids == [str(saved.id), str(view.id)]


async def test_the_age_of_the_oldest_event_is_told(house: House) -> None:
    assert await house.outbox.status() == (0, 0.0)
    await house.announce(event())
    count, age = await house.outbox.status()
    assert count == 1
    assert 0.0 <= age < 60.0


@sqlite_suffices
@pytest.mark.usefixtures("never_polling")
async def test_a_ring_wakes_one_claim_and_the_next_another(house: House) -> None:
    class Nothing:
        parallel = 2
        begun = ended = 0
        may_end = asyncio.Event()

        @asynccontextmanager
        async def claim(self, _limit: int) -> AsyncIterator[Claim]:
            self.begun += 1
            await self.may_end.wait()
            async with house.claims().claim(0) as claim:
                yield claim
            self.ended += 1

        async def release(self) -> None: ...

    claims, bell = Nothing(), house.outbox.bell
    claims.may_end.set()
    async with running(Relay(claims, Broker(), bell)):
        await until(lambda: claims.ended == 2)
        claims.may_end.clear()
        bell.ring()
        await until(lambda: claims.begun == 3)
        bell.ring()
        await until(lambda: claims.begun == 4)
        claims.may_end.set()


@pytest.mark.postgresql
async def test_a_claim_takes_the_same_share_of_each_partition(postgres_url: str) -> None:
    async with open_house(postgres_url) as house:
        await house.announce(*[event(product()) for _ in range(200)])
        async with house.claims().claim(40) as claim:
            places = [(zlib.crc32(row.subject.encode()) % PARTITIONS, row.id) for row in claim.rows]
        shares = {place: [id_ for _, id_ in ids] for place, ids in groupby(places, itemgetter(0))}
        assert [len(ids) for ids in shares.values()] == [40 // SHARE] * SHARE
        assert all(ids == sorted(ids) for ids in shares.values())


@pytest.mark.postgresql
async def test_a_claim_tells_whether_there_may_be_more(postgres_url: str) -> None:
    async with open_house(postgres_url) as house:
        lamp = product()
        await house.announce(event(lamp), event(lamp, version=2))
        async with house.claims().claim(500) as claim:
            assert (len(claim.rows), claim.more) == (2, False)
        async with house.claims().claim(2) as claim:
            assert (len(claim.rows), claim.more) == (2, True)
        await house.announce(event(version=None, signal="viewed"))
        async with house.claims().claim(500) as claim:
            assert (len(claim.rows), claim.more) == (2, True)
            await claim.settle(Outcome(gone=[*claim.rows]))
        async with house.claims().claim(500) as claim:
            assert (len(claim.rows), claim.more) == (1, False)
        await house.announce(*[event(product()) for _ in range(100)])
        async with house.claims().claim(500) as claim:
            assert claim.more


@pytest.mark.postgresql
@pytest.mark.usefixtures("never_polling")
async def test_after_a_short_claim_the_relay_looks_again_only_when_it_hears_a_ring(
    postgres_url: str,
) -> None:
    async with open_house(postgres_url) as house:
        claims = Counting(house.claims())
        broker = Broker()
        async with running(Relay(claims, broker, house.outbox.bell)):
            await until(lambda: claims.ended == 2)
            await house.announce(event())
            await until(lambda: claims.ended == 3)
            await house.announce(event())
            await until(lambda: claims.ended == 4)
        assert len(broker.sent) == 2
        assert claims.begun == 4


@pytest.mark.postgresql
@pytest.mark.usefixtures("never_polling")
async def test_an_event_that_a_claim_found_locked_by_another_does_not_wait_for_the_poll(
    postgres_url: str,
) -> None:
    async with open_house(postgres_url) as house:
        claims = Counting(house.claims())
        broker = Gate()
        lamp = product()
        async with running(Relay(claims, broker, house.outbox.bell)):
            await until(lambda: claims.ended == 2)
            await house.announce(event(lamp))
            await until(lambda: broker.batches)
            await house.announce(event(lamp, version=2))
            await until(lambda: claims.ended == 3)
            assert len(broker.batches) == 1
            broker.open.set()
            await until(lambda: len(broker.sent) == 2)


@pytest.mark.postgresql
@pytest.mark.usefixtures("never_polling")
async def test_what_is_committed_within_a_few_milliseconds_shares_a_claim(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather_s = 0.5
    monkeypatch.setattr("heliograph.outbox.relay.GATHER_S", gather_s)
    async with open_house(postgres_url) as house:
        claims = Counting(house.claims())
        broker = Broker()
        async with running(Relay(claims, broker, house.outbox.bell)):
            await until(lambda: claims.ended == 2)
            began = time.monotonic()
            for _ in range(20):
                await house.announce(event())
            await until(lambda: len(broker.sent) == 20)
            rings = 1 + (time.monotonic() - began) / gather_s
        # Who was busy as it rang looks again by itself.
        assert len(broker.batches) <= 2 * rings


@pytest.mark.postgresql
async def test_a_claim_walks_through_nothing_but_its_partitions(postgres_url: str) -> None:
    async with open_house(postgres_url) as house:
        await house.announce(event())
        async with house.database.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO outbox"
                    " (partition, event_id, subject, exchange, routing_key, headers, body)"
                    " SELECT n % 8, n, n, exchange, routing_key, headers, body"
                    " FROM outbox, generate_series(1, 2000) AS n"
                )
            )
            await session.execute(text("ANALYZE outbox"))
        async with statements_of(house.database) as statements, house.claims().claim(50):
            pass
        lock, head = [each for each in statements if "outbox" in each]
        async with house.database.transaction() as session:
            connection = await session.connection()
            for statement, values in (
                (lock, ([1, 2, 3],)),
                (head, ([1, 2, 3], 50)),
            ):
                lines = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                plan = "\n".join(lines.scalars())
                assert "using outbox_partition" in plan, plan


@pytest.mark.postgresql
async def test_a_relay_outlives_the_end_of_its_connection(postgres_url: str) -> None:
    class Killer(Broker):
        def __init__(self, house: House) -> None:
            super().__init__()
            self._house = house

        async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
            if not self.batches:
                async with self._house.database.transaction() as session:
                    await session.execute(
                        text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
                        )
                    )
            return await super().publish(messages)

    async with open_house(postgres_url) as house:
        sent = event()
        await house.announce(sent)
        broker = Killer(house)
        async with running(Relay(house.claims(), broker, house.outbox.bell)):
            await until(lambda: _is_empty(house))
        assert broker.ids == [str(sent.id)] * 2
