"""The users of the stack can do their work, and cannot pass for each other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiormq
import pytest
from pamqp.commands import Basic

from heliograph.bus import Binding, Queue, Topology, queue_arguments
from heliograph.bus.rabbitmq import RabbitBus
from tests.buses import EMAILS, message, receive
from tests.servers.rabbitmq import RabbitMQ

VIEWS = Queue("catalog.views", (Binding("catalog.events", "catalog.product.viewed"),))

Channel = aiormq.abc.AbstractChannel
Attempt = Callable[[Channel], Awaitable[object]]


@pytest.fixture
def users(rabbitmq_server: RabbitMQ, amqp_url: str) -> Iterator[Mapping[str, str]]:
    """The URL of each user of the stack, by its name there."""
    with rabbitmq_server.users(amqp_url) as urls:
        yield urls


@pytest.fixture
async def buses(users: Mapping[str, str]) -> AsyncIterator[Mapping[str, RabbitBus]]:
    """Each service's bus, on a broker where both have declared what is theirs."""
    buses = {name: RabbitBus(users[name]) for name in ("catalog", "notifier")}
    await buses["catalog"].declare(Topology(("catalog.events",), (VIEWS,)))
    await buses["notifier"].declare(Topology((), (EMAILS,)))
    yield buses
    for bus in buses.values():
        await bus.close()


@pytest.fixture
async def channel_of(
    users: Mapping[str, str],
) -> AsyncIterator[Callable[[str], Awaitable[Channel]]]:
    async with AsyncExitStack() as stack:

        async def channel(name: str) -> Channel:
            connection = await stack.enter_async_context(aiormq.connect(users[name]))
            return await connection.channel()

        yield channel


ChannelOf = Callable[[str], Awaitable[Channel]]


async def test_a_message_arrives_as_the_user_who_published_it(
    buses: Mapping[str, RabbitBus], users: Mapping[str, str]
) -> None:
    assert await buses["catalog"].publish([message(1)]) == {"e1"}
    async with buses["notifier"].subscribe(EMAILS.name) as subscription:
        [delivery] = await receive(subscription, 1)
    assert delivery.user == buses["catalog"].user == urlsplit(users["catalog"]).username


async def test_nobody_publishes_as_another_user(
    buses: Mapping[str, RabbitBus], channel_of: ChannelOf, users: Mapping[str, str]
) -> None:
    channel = await channel_of("operator")
    named = Basic.Properties(user_id=urlsplit(users["catalog"]).username)
    with pytest.raises(aiormq.ChannelPreconditionFailed, match="user_id property set to"):
        await channel.basic_publish(
            b"", exchange="catalog.events", routing_key="catalog.product.viewed", properties=named
        )


def publish(exchange: str, routing_key: str = "catalog.product.viewed") -> Attempt:
    return lambda channel: channel.basic_publish(b"", exchange=exchange, routing_key=routing_key)


def dead_letters_to(exchange: str) -> Attempt:
    arguments = {**queue_arguments(EMAILS), "x-dead-letter-exchange": exchange}
    return lambda channel: channel.queue_declare("notifier.new", durable=True, arguments=arguments)


def strays_to(exchange: str) -> Attempt:
    return lambda channel: channel.exchange_declare(
        "notifier.new", arguments={"alternate-exchange": exchange}
    )


NOTIFIER_MAY_NOT: Mapping[str, Attempt] = {
    "publish to a queue of the catalog": publish("", VIEWS.name),
    "publish to a queue of its own past its exchanges": publish("", EMAILS.name),
    "announce": publish("catalog.events"),
    "announce what nobody has bound": publish("catalog.events.unrouted"),
    "publish a dead letter of the catalog": publish("catalog.dead", VIEWS.dead),
    "let dead letters announce": dead_letters_to("catalog.events"),
    "let dead letters pass the exchanges": dead_letters_to(""),
    "let strays announce": strays_to("catalog.events"),
    "bind the catalog's exchange to its own": lambda channel: channel.exchange_bind(
        "catalog.events", "notifier.dead"
    ),
    "declare the catalog's exchange": lambda channel: channel.exchange_declare(
        "catalog.events", exchange_type="topic", durable=True
    ),
    "declare another of the catalog's": lambda channel: channel.exchange_declare("catalog.new"),
    "delete the catalog's exchange": lambda channel: channel.exchange_delete("catalog.events"),
    "delete a queue of the catalog": lambda channel: channel.queue_delete(VIEWS.name),
    "empty a queue of the catalog": lambda channel: channel.queue_purge(VIEWS.name),
    "read a queue of the catalog": lambda channel: channel.basic_get(VIEWS.name),
    "unbind a queue of the catalog": lambda channel: channel.queue_unbind(
        VIEWS.name, "catalog.events", "catalog.product.viewed"
    ),
    "bind a queue of the catalog": lambda channel: channel.queue_bind(
        VIEWS.name, "notifier.dead", "x"
    ),
    "read the catalog's dead letters": lambda channel: channel.queue_bind(
        EMAILS.name, "catalog.dead", VIEWS.dead
    ),
}


@pytest.mark.parametrize("attempt", NOTIFIER_MAY_NOT.values(), ids=[*NOTIFIER_MAY_NOT])
async def test_the_notifier_may_not(
    buses: Mapping[str, RabbitBus], channel_of: ChannelOf, attempt: Attempt
) -> None:
    with pytest.raises(aiormq.ChannelAccessRefused):
        await attempt(await channel_of("notifier"))


CATALOG_MAY_NOT: Mapping[str, Attempt] = {
    "publish to a queue of the notifier": publish("", EMAILS.name),
    "publish a dead letter of the notifier": publish("notifier.dead", EMAILS.dead),
    "read a queue of the notifier": lambda channel: channel.basic_get(EMAILS.name),
    "delete a queue of the notifier": lambda channel: channel.queue_delete(EMAILS.name),
}


@pytest.mark.parametrize("attempt", CATALOG_MAY_NOT.values(), ids=[*CATALOG_MAY_NOT])
async def test_the_catalog_may_not(
    buses: Mapping[str, RabbitBus], channel_of: ChannelOf, attempt: Attempt
) -> None:
    with pytest.raises(aiormq.ChannelAccessRefused):
        await attempt(await channel_of("catalog"))


async def test_nobody_at_all_publishes_to_a_queue_by_its_name(
    buses: Mapping[str, RabbitBus], channel_of: ChannelOf, users: Mapping[str, str]
) -> None:
    for name in users:
        channel = await channel_of(name)
        with pytest.raises(aiormq.ChannelAccessRefused, match=r"amq\.default"):
            await channel.basic_publish(b"", exchange="", routing_key=EMAILS.name)
