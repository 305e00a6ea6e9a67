"""What somebody deletes on the broker comes back by itself, and is told of meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiormq
import pytest

from heliograph import BusError, BusUnavailable
from heliograph.bus import Queue, Topology
from heliograph.bus.rabbitmq import RabbitBus
from tests.buses import AUDIT, EMAILS, ids, message, publish_until_taken, receive, until
from tests.servers.rabbitmq import RabbitMQ

OFTEN = 0.3
NEVER = 3600.0
ANNOUNCES = Topology(exchanges=("catalog.events",))
LISTENS = Topology(queues=(EMAILS, AUDIT))
BINDINGS = {
    ("catalog.events", "notifier.emails", "catalog.product.*"),
    ("catalog.events", "notifier.audit", "catalog.#"),
    ("notifier.dead", "notifier.emails.dead", "notifier.emails.dead"),
    ("notifier.dead", "notifier.audit.dead", "notifier.audit.dead"),
}

Channel = aiormq.abc.AbstractChannel
Deletion = Callable[[Channel], Awaitable[object]]


def exchange(name: str) -> Deletion:
    return lambda channel: channel.exchange_delete(name)


def queue(name: str) -> Deletion:
    return lambda channel: channel.queue_delete(name)


def binding(source: str, name: str, key: str) -> Deletion:
    return lambda channel: channel.queue_unbind(name, source, key)


PARTS: dict[str, Deletion] = {
    "exchange catalog.events": exchange("catalog.events"),
    "exchange catalog.events.unrouted": exchange("catalog.events.unrouted"),
    "exchange notifier.dead": exchange("notifier.dead"),
    "queue notifier.emails": queue("notifier.emails"),
    "queue notifier.emails.dead": queue("notifier.emails.dead"),
}
"""What readiness can see, and its deletion."""
ALL = PARTS | {f"binding of {each[1]}": binding(*each) for each in sorted(BINDINGS)}


@pytest.fixture
async def stranger(amqp_url: str) -> AsyncIterator[Channel]:
    async with aiormq.connect(amqp_url) as connection:
        yield await connection.channel()


@pytest.fixture
async def buses(amqp_url: str) -> AsyncIterator[Callable[[float], tuple[RabbitBus, RabbitBus]]]:
    """Makes the bus of one that announces, which declares so often, and of one that listens."""
    made: list[RabbitBus] = []

    def make(every: float) -> tuple[RabbitBus, RabbitBus]:
        announcer, listener = (RabbitBus(amqp_url, declared_every=every) for _ in range(2))
        made.extend((announcer, listener))
        announcer.expect(ANNOUNCES)
        listener.expect(LISTENS)
        return announcer, listener

    yield make
    await asyncio.gather(*(bus.close() for bus in made))


Make = Callable[[float], tuple[RabbitBus, RabbitBus]]


async def fine(*buses: RabbitBus) -> bool:
    try:
        for bus in buses:
            await bus.verify()
    except BusError:
        return False
    return True


@pytest.fixture
def bound(rabbitmq_server: RabbitMQ, amqp_url: str) -> Callable[[], bool]:
    return lambda: rabbitmq_server.bindings(amqp_url) == BINDINGS


@pytest.mark.parametrize("deletion", ALL.values(), ids=[*ALL])
async def test_what_is_deleted_while_nothing_is_published_is_back_with_all_bindings(
    buses: Make, stranger: Channel, bound: Callable[[], bool], deletion: Deletion
) -> None:
    announcer, listener = buses(OFTEN)
    await until(bound)
    await deletion(stranger)
    await until(bound)
    await until(lambda: fine(announcer, listener))


@pytest.mark.parametrize("part", [*PARTS])
async def test_what_is_missing_is_told(
    buses: Make, stranger: Channel, bound: Callable[[], bool], part: str
) -> None:
    announcer, listener = buses(NEVER)
    await until(bound)
    await until(lambda: fine(announcer, listener))
    await PARTS[part](stranger)
    owner = announcer if "catalog" in part else listener
    with pytest.raises(BusError, match=f"^the {part} is missing") as raised:
        await owner.verify()
    assert raised.value.state == "missing"


async def test_an_exchange_that_is_missing_is_told_to_those_who_listen_too(
    buses: Make, stranger: Channel, bound: Callable[[], bool]
) -> None:
    _, listener = buses(NEVER)
    await until(bound)
    await stranger.exchange_delete("catalog.events")
    with pytest.raises(BusUnavailable, match=r"catalog\.events is missing: run `migrate`"):
        await listener.verify()


async def test_all_is_declared_at_every_connect(
    buses: Make,
    stranger: Channel,
    bound: Callable[[], bool],
    rabbitmq_server: RabbitMQ,
    amqp_url: str,
) -> None:
    _, listener = buses(NEVER)
    await until(bound)

    async def disturb() -> bool:
        # The broker lists a connection late.
        await asyncio.to_thread(rabbitmq_server.close_connections, amqp_url)
        return bound()

    async with listener.subscribe(EMAILS.name):
        await stranger.queue_unbind(EMAILS.name, "catalog.events", "catalog.product.*")
        assert not bound()
        await until(disturb)


async def test_who_publishes_on_a_deleted_exchange_declares_it_at_once(
    buses: Make, stranger: Channel, bound: Callable[[], bool]
) -> None:
    announcer, _ = buses(NEVER)
    await until(bound)
    await announcer.publish([message(1)])

    async def refused() -> bool:
        # What is declared at the connect may come behind the deletion.
        await stranger.exchange_delete("catalog.events")
        try:
            await announcer.publish([message(2)])
        except BusUnavailable as error:
            return "no exchange 'catalog.events'" in str(error)
        return False

    await until(refused)
    await publish_until_taken(announcer, [message(2)], within=5)


async def test_a_virtual_host_that_is_deleted_and_made_anew_is_filled_again(
    buses: Make,
    bound: Callable[[], bool],
    consuming_again: Callable[[], bool],
    rabbitmq_server: RabbitMQ,
    amqp_url: str,
) -> None:
    announcer, listener = buses(OFTEN)
    await until(bound)
    async with listener.subscribe(EMAILS.name) as subscription:
        await until(lambda: subscription.ready)
        await asyncio.to_thread(rabbitmq_server.renew, amqp_url)
        await until(consuming_again)
        await until(bound)
        await until(lambda: fine(announcer, listener))
        await publish_until_taken(announcer, [message(1)])
        assert ids(await receive(subscription, 1)) == ["e1"]


async def test_a_queue_that_a_stranger_declares_otherwise_is_told_and_holds_nothing_else_up(
    buses: Make,
    stranger: Channel,
    bound: Callable[[], bool],
    caplog: pytest.LogCaptureFixture,
    rabbitmq_server: RabbitMQ,
    amqp_url: str,
) -> None:
    # Before us: whose queue is deleted has it back before anybody comes between.
    await stranger.queue_declare(EMAILS.name, durable=True)
    _, listener = buses(NEVER)
    async with listener.subscribe(EMAILS.name) as subscription:
        await until(lambda: "notifier.emails exists with other properties" in caplog.text)
        with pytest.raises(BusError, match=r"notifier\.emails exists with other properties"):
            await listener.verify()
        audit = ("catalog.events", AUDIT.name, "catalog.#")
        await until(lambda: audit in rabbitmq_server.bindings(amqp_url))
        await stranger.queue_unbind(AUDIT.name, "catalog.events", "catalog.#")
        await until(lambda: audit in rabbitmq_server.bindings(amqp_url))
        await stranger.queue_delete(EMAILS.name)
        await until(bound)
        await until(lambda: fine(listener))
        await until(lambda: subscription.ready)


async def test_what_nobody_may_declare_is_told_and_tried_again(
    rabbitmq_server: RabbitMQ, amqp_url: str
) -> None:
    foreign = Topology(queues=(Queue("catalog.spy", ()),))
    with rabbitmq_server.users(amqp_url) as urls:
        bus = RabbitBus(urls["notifier"], declared_every=OFTEN)
        bus.expect(foreign)

        async def refused() -> bool:
            try:
                await bus.verify()
            except BusError as error:
                return "the broker refuses the queue catalog.spy: ACCESS_REFUSED" in str(error)
            return False

        await until(refused)
        await bus.close()
