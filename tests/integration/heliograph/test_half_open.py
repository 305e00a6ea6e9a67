"""Connections that are open and dead: nothing arrives, nothing is closed."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import literal_column, select, text
from sqlalchemy.engine import make_url
from yarl import URL

from chaos.faults.proxy import Proxy, proxy
from heliograph import BusUnavailable, DatabaseUnavailable, Deadlock
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.database import Database, engines, query_for
from tests.buses import EMAILS, ids, message, publish_until_taken, receive, topology, until


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STATEMENT_TIMEOUT_S", 2.0)


async def answer(reached: Database) -> int:
    async with reached.transaction() as session:
        found: int = await session.scalar(text("SELECT 42")) or 0
        return found


async def answer_of_the_driver(reached: Database) -> int:
    [[found]] = await query_for(reached, select(literal_column("42"))).run()
    number: int = found
    return number


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [answer, answer_of_the_driver])
async def test_a_half_open_connection_is_noticed_and_replaced(
    postgres_url: str, answer: Callable[[Database], Awaitable[int]]
) -> None:
    url = make_url(postgres_url)
    async with proxy(url.port or 0) as link:
        reached = Database(url.set(port=link.port).render_as_string(hide_password=False))
        assert await answer(reached) == 42
        link.hold()
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseUnavailable):
                await answer(reached)
        link.heal()
        assert await answer(reached) == 42
        await reached.close()


async def test_a_half_open_connection_to_the_broker_is_noticed_within_20_seconds(
    amqp_url: str,
) -> None:
    """By heartbeats, for who only listens has nothing to miss; it is back within 5 seconds."""
    url = URL(amqp_url)
    async with proxy(url.port or 0) as link:
        bus = RabbitBus(str(url.with_port(link.port)), deadline=5)
        await bus.declare(topology(EMAILS))
        async with bus.subscribe(EMAILS.name) as subscription:
            await until(lambda: subscription.ready)
            await bus.publish([message(1)])
            assert ids(await receive(subscription, 1)) == ["e1"]
            link.hold()
            await until(lambda: not subscription.ready, within=20)
            with pytest.raises(BusUnavailable):
                await bus.check()
            link.heal()
            await until(lambda: subscription.ready, within=5)
            await publish_until_taken(bus, [message(2)], within=5)
            # The first comes again if its ack did not get through before.
            while "e2" not in ids(await receive(subscription, 1)):
                pass
        await bus.close()


@pytest.mark.parametrize("breaking", [Proxy.reset, lambda link: link.cut_after(1)])
async def test_a_broken_connection_is_told_as_such(
    postgres_url: str, breaking: Callable[[Proxy], None]
) -> None:
    url = make_url(postgres_url)
    async with proxy(url.port or 0) as link:
        reached = Database(url.set(port=link.port).render_as_string(hide_password=False))

        async def broken() -> None:
            async with reached.transaction() as session:
                await session.execute(text("SELECT 1"))
                breaking(link)
                await session.execute(text("SELECT 1"))

        with pytest.raises(DatabaseUnavailable):
            await broken()
        link.heal()
        assert await answer(reached) == 42
        await reached.close()


async def test_two_that_wait_for_each_other_may_try_again(postgres_url: str) -> None:
    here = Database(postgres_url)
    async with here.transaction() as session:
        await session.execute(text("CREATE TABLE pair (id int PRIMARY KEY)"))
        await session.execute(text("INSERT INTO pair VALUES (1), (2)"))
    both = asyncio.Barrier(2)

    async def lock(*ids: int) -> None:
        async with here.transaction() as session:
            for each in ids:
                await session.execute(
                    text("SELECT id FROM pair WHERE id = :id FOR UPDATE"), {"id": each}
                )
                if each == ids[0]:
                    await both.wait()

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert {type(each) for each in outcomes} == {Deadlock, type(None)}
    await here.close()
