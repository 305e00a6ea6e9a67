"""The servers that all sides share, private to one run and on the loopback interface."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiormq
from sqlalchemy import MetaData, Table, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import contracts
from heliograph import Event
from heliograph.bus import Bus, Message, Topology, bus_from_url
from heliograph.database import Bell, Database
from heliograph.events import EventKind, encode, new_id
from heliograph.inbox import Inbox, inbox_table
from heliograph.outbox import (
    Claims,
    Outbox,
    claims_for,
    encode_all,
    outbox_table,
    relay_lease_table,
)
from heliograph.service import Part
from heliograph.signals import QueuedReceiver
from tests.servers.postgresql import PostgreSQL, postgresql
from tests.servers.rabbitmq import RabbitMQ, rabbitmq

metadata = MetaData()
OUTBOX = outbox_table(metadata)
LEASE = relay_lease_table(metadata)
INBOX = inbox_table(metadata)


async def receive(_event: Event[contracts.Product]) -> None:
    """Do nothing: an empty receiver."""


RECEIVER = QueuedReceiver(receive, (EventKind("post_save", contracts.Product),), needs=())
QUEUE = RECEIVER.queue("bench")
TOPOLOGY = Topology(("catalog.events",), (QUEUE,))

IN_FLIGHT = 1000
"""Unconfirmed messages that every publisher may have."""


@dataclass(frozen=True, slots=True)
class World:
    """Where a row finds its servers, and how much it may do."""

    postgres: PostgreSQL
    broker: RabbitMQ
    folder: Path
    quick: bool
    compiler: str | None
    """The C compiler; None if there is none, and then the ceiling is not measured."""

    def count(self, full: int) -> int:
        """So many of `full` as this run has time for."""
        return max(full // 10, 1) if self.quick else full

    @property
    def seconds(self) -> float:
        """How long a side may answer requests for one reading."""
        return 1.5 if self.quick else 4.0

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Yield the URL of an empty PostgreSQL database."""
        async with self.postgres.database() as url:
            yield url

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Yield the URL of an empty virtual host."""
        with self.broker.vhost() as url:
            yield url


@contextmanager
def world(*, quick: bool) -> Iterator[World]:
    """Start the servers; they are gone when the block ends."""
    with TemporaryDirectory() as folder, postgresql() as postgres, rabbitmq() as broker:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        yield World(postgres, broker, Path(folder), quick, compiler)


@dataclass(frozen=True, slots=True)
class House:
    """A service's parts without a service around them."""

    database: Database
    outbox: Outbox
    inbox: Inbox
    bus: Bus
    own: AsyncEngine
    """The benchmarks' own way to the database: seeding may take longer than the database lets a
    statement of a service take."""

    def claims(self) -> Claims:
        """A relay's view of the outbox."""
        return claims_for(self.database, OUTBOX, LEASE)

    async def count(self, table: Table, where: str = "true") -> int:
        """Count rows."""
        async with self.own.connect() as connection:
            query = text(f"SELECT count(*) FROM {table.name} WHERE {where}")  # noqa: S608 - ours
            return await connection.scalar(query) or 0

    async def is_empty(self, table: Table, where: str = "true") -> bool:
        """Whether there is no such row."""
        return not await self.count(table, where)

    async def clear(self) -> None:
        """Empty all tables, and leave no work to the server's vacuum."""
        truncate = "DELETE FROM {}" if self.database.is_sqlite else "TRUNCATE {}"
        async with self.own.begin() as connection:
            for table in (OUTBOX, INBOX):
                await connection.execute(text(truncate.format(table.name)))


@asynccontextmanager
async def house(database_url: str, bus_url: str) -> AsyncIterator[House]:
    """Make the tables, declare the queue and close everything in the end."""
    database, own = Database(database_url), create_async_engine(database_url)
    async with own.begin() as connection:
        await connection.run_sync(metadata.create_all)
    bus = bus_from_url(bus_url)
    await bus.declare(TOPOLOGY)
    try:
        yield House(
            database,
            Outbox(database, OUTBOX, Bell("outbox")),
            Inbox(database, INBOX, Bell("inbox")),
            bus,
            own,
        )
    finally:
        await bus.close()
        await database.close()
        await own.dispose()


def events(count: int) -> list[Event[Any]]:
    """Make events of 1 KB, each about another product, as a repository would send them."""
    return [_event(number) for number in range(count)]


def _event(number: int) -> Event[Any]:
    id_, moment = new_id(), datetime.now(UTC)
    product = contracts.Product(
        id=id_,
        url=f"https://catalog.example/v1/products/{id_}",
        sku=f"SKU-{number:09d}",
        name="Lamp",
        description="Gives light. " * 35,
        price=Decimal("19.99"),
        currency="EUR",
        version=1,
        created_at=moment,
        updated_at=moment,
    )
    return Event(
        sender=contracts.Product,
        instance=product,
        snapshot=product,
        signal="post_save",
        created=True,
        version=1,
    )


def messages(count: int) -> list[Message]:
    """Make the same events as they leave on the bus."""
    made = events(count)
    encode_all(made)
    return [encode(each) for each in made]


def batches(items: Sequence[Message], size: int) -> list[Sequence[Message]]:
    """Cut into pieces of `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


async def purge(bus_url: str) -> None:
    """Empty the queue."""
    async with aiormq.connect(bus_url) as connection:
        channel = await connection.channel()
        await channel.queue_purge(QUEUE.name)


@asynccontextmanager
async def working(*parts: Part) -> AsyncIterator[None]:
    """Run parts of a program until the block ends, then let them finish."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(part.run(stopping))
        try:
            yield
        finally:
            stopping.set()
