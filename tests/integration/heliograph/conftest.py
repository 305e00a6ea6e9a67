"""A small service of the tests' own: a database with an outbox and an inbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import MetaData

from heliograph import Event
from heliograph.bus import Bus, Delivery, MemoryBus
from heliograph.database import Bell, Database
from heliograph.inbox import Inbox, inbox_table
from heliograph.inbox.reading import entry
from heliograph.outbox import Claims, Outbox, claims_for, outbox_table, relay_lease_table
from heliograph.service import Part
from heliograph.signals import QueuedReceiver

metadata = MetaData()
outbox_rows = outbox_table(metadata)
lease_rows = relay_lease_table(metadata)
inbox_rows = inbox_table(metadata)


@dataclass(frozen=True)
class House:
    """What a service's parts are made of."""

    database: Database
    outbox: Outbox
    inbox: Inbox
    bus: Bus

    def claims(self) -> Claims:
        """A relay's view of the outbox; each relay has one of its own."""
        return claims_for(self.database, outbox_rows, lease_rows)

    async def announce(self, *events: Event[Any]) -> None:
        """Commit a transaction with these events."""
        async with self.database.transaction() as session:
            for event in events:
                self.outbox.hold(event, session)

    async def accept(
        self,
        receiver: QueuedReceiver,
        deliveries: Sequence[Delivery],
        gave_up: str | None = None,
    ) -> None:
        """Bring deliveries into the inbox, as a consumer does."""
        await self.inbox.accept(receiver, [entry(receiver, each, gave_up) for each in deliveries])


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as house:
        yield house


@asynccontextmanager
async def open_house(database_url: str) -> AsyncIterator[House]:
    """Open the service once more, as another process would; the tables are made once."""
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    outbox = Outbox(database, outbox_rows, Bell("outbox"))
    bus = MemoryBus()
    try:
        yield House(database, outbox, Inbox(database, inbox_rows, Bell("inbox")), bus)
    finally:
        await bus.close()
        await database.close()


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """Run parts of a program until the block ends, then let them finish."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stopping)) for part in parts]
    try:
        yield
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
