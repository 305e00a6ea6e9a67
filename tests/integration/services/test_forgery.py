"""What another user of the broker announces has no effect, and takes no event's place."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiormq
import pytest
from pamqp.commands import Basic
from pydantic import SecretStr

import contracts
from heliograph.bus import Message
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.events import encode
from heliograph.service import Service
from heliograph.testing import at_work
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.console.service import Console
from services.console.settings import ConsoleSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.polling import until
from tests.samples import event, product
from tests.servers.rabbitmq import RabbitMQ

KEY = SecretStr("a key of the tests, long enough for HS256")


@dataclass(frozen=True)
class Stack:
    """All services with the users and the rights that they have in the stack."""

    catalog: Catalog
    notifier: Notifier
    console: Console
    users: Mapping[str, str]
    """URLs."""

    def user(self, name: str) -> str | None:
        return urlsplit(self.users[name]).username


@pytest.fixture
def users(rabbitmq_server: RabbitMQ, amqp_url: str) -> Iterator[Mapping[str, str]]:
    with rabbitmq_server.users(amqp_url) as urls:
        yield urls


@pytest.fixture
async def stack(users: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Stack]:
    both = {"image_store_url": (tmp_path / "images").as_uri(), "secret_key": KEY}
    async with AsyncExitStack() as resources:
        buses = {
            name: RabbitBus(users[name], declared_every=0.5)
            for name in ("catalog", "notifier", "console")
        }
        for bus in buses.values():
            resources.push_async_callback(bus.close)
        catalog = Catalog(
            CatalogSettings(
                database_url=f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}",
                bus_url=users["catalog"],
                **both,
            ),
            buses["catalog"],
        )
        notifier = Notifier(
            NotifierSettings(
                database_url=f"sqlite+aiosqlite:///{tmp_path / 'notifier.db'}",
                bus_url=users["notifier"],
                catalog_user=urlsplit(users["catalog"]).username or "",
                smtp_url=(tmp_path / "mail").as_uri(),
                **both,
            ),
            buses["notifier"],
        )
        console = Console(
            ConsoleSettings(
                database_url=f"sqlite+aiosqlite:///{tmp_path / 'console.db'}",
                bus_url=users["console"],
                catalog_user=urlsplit(users["catalog"]).username or "",
                secret_key=KEY,
            ),
            buses["console"],
        )
        for service in (catalog, notifier, console):
            resources.push_async_callback(service.close)
        yield Stack(catalog, notifier, console, users)


async def reasons(service: Service) -> list[str]:
    return [each.reason for each in await service.inbox.parked.page()]


def created() -> Message:
    return encode(event(created=True))


def viewed() -> Message:
    now = datetime.now(UTC)
    view = contracts.View(product_id=product().id, viewer="mallory", viewed_at=now)
    return encode(event(view, signal="viewed", version=None))


async def publish(url: str, message: Message, user: str | None = None) -> None:
    """Publish as anybody may, with a library that is not ours."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await channel.basic_publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.routing_key,
            properties=Basic.Properties(headers={**message.headers}, user_id=user),
        )


async def test_a_forged_event_is_parked_and_does_not_take_the_real_ones_place(
    stack: Stack,
) -> None:
    message = created()
    async with at_work(stack.catalog, stack.notifier):
        await publish(stack.users["operator"], message, stack.user("operator"))
        [reason] = await until(lambda: reasons(stack.notifier))
        announcer, found = stack.user("catalog"), stack.user("operator")
        assert reason == f"forged: not published by the broker's user {announcer}, but by {found}"
        assert await stack.notifier.inbox.status() == {("email_new_product", "parked"): 1}
        assert await stack.catalog.bus.publish([message]) == {message.id}

        async def done() -> bool:
            return ("email_new_product", "done") in await stack.notifier.inbox.status()

        await until(done)


async def test_the_console_shows_no_events_but_the_catalogs(stack: Stack) -> None:
    async with at_work(stack.catalog, stack.console):
        await publish(stack.users["operator"], created(), stack.user("operator"))
        [reason] = await until(lambda: reasons(stack.console))
        assert reason.startswith("forged: ")
        assert await stack.catalog.bus.publish([created(), viewed()])

        async def done() -> bool:
            found = await stack.console.inbox.status()
            return {("keep_events", "done"), ("count_views", "done")} <= found.keys()

        await until(done)


async def test_an_event_of_nobody_who_is_named_is_forged_too(stack: Stack) -> None:
    async with at_work(stack.catalog, stack.notifier):
        await publish(stack.users["operator"], created())
        [reason] = await until(lambda: reasons(stack.notifier))
    assert reason.endswith("but by nobody who is named")


async def test_the_catalog_counts_no_views_but_its_own(stack: Stack) -> None:
    async with at_work(stack.catalog):
        await publish(stack.users["operator"], viewed())
        [reason] = await until(lambda: reasons(stack.catalog))
        assert reason.startswith("forged: ")
        assert await stack.catalog.bus.publish([viewed()])

        async def done() -> bool:
            return ("record_views", "done") in await stack.catalog.inbox.status()

        await until(done)


async def test_dead_letters_keep_their_publisher(stack: Stack) -> None:
    for service in (stack.catalog, stack.notifier):
        await service.migrate()
    await stack.catalog.bus.publish([created()])
    await publish(stack.users["operator"], created(), stack.user("operator"))
    async with aiormq.connect(stack.users["notifier"]) as connection:
        channel = await connection.channel()
        rejected = 0

        async def reject(delivered: aiormq.abc.DeliveredMessage) -> None:
            nonlocal rejected
            await channel.basic_reject(delivered.delivery_tag or 0, requeue=False)
            rejected += 1

        await channel.basic_consume("notifier.email_new_product", reject)
        await until(lambda: rejected == 2)
    async with at_work(stack.notifier):

        async def both() -> bool:
            return len(await reasons(stack.notifier)) == 2

        await until(both)
        found = sorted(each.partition(":")[0] for each in await reasons(stack.notifier))
    assert found == ["forged", "rejected"]


async def test_what_an_operator_deletes_is_back_and_announced_on_again(
    stack: Stack, rabbitmq_server: RabbitMQ, amqp_url: str
) -> None:
    async with at_work(stack.catalog, stack.notifier):
        ready = [service.health({"work"}) for service in (stack.catalog, stack.notifier)]

        async def all_ready() -> bool:
            found = await asyncio.gather(*(health.readiness() for health in ready))
            return all(each.http_status == 200 for each in found)

        await until(all_ready)
        bindings = rabbitmq_server.bindings(amqp_url)
        async with aiormq.connect(stack.users["operator"]) as connection:
            channel = await connection.channel()
            await channel.exchange_delete("catalog.events")
            await channel.exchange_delete("notifier.dead")
            await channel.queue_delete("notifier.purge_images")
            await channel.queue_delete("catalog.record_views.dead")
        await until(lambda: rabbitmq_server.bindings(amqp_url) == bindings)
        await until(all_ready)
