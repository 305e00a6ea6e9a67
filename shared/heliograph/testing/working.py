"""A service at work within a test."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

from sqlalchemy import select

from heliograph.errors import HeliographError
from heliograph.service import Role, Service, in_shutdown_order

LOOK_EVERY_S = 0.02
ENDS_WITHIN_S = 5.0


class NotDrained(HeliographError, AssertionError):
    """Events are still unfinished, or set aside; the message says which, and why."""


@asynccontextmanager
async def at_work(service: Service) -> AsyncIterator[None]:
    """Migrate the service and let it do all that `serve` does, but for answering HTTP.

    What is published on its bus meanwhile reaches its receivers. It is closed at the end. Raises
    what a part of it raised, unless the test itself has failed.
    """
    stopping = asyncio.Event()
    try:
        await service.migrate()
        await service.check()
        parts = in_shutdown_order([], service.parts(get_args(Role)))
        tasks = [asyncio.create_task(part.run(stopping), name=part.name) for part in parts]
        try:
            yield
        finally:
            stopping.set()
            _, late = await asyncio.wait(tasks, timeout=ENDS_WITHIN_S)
            for task in late:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome
    finally:
        await service.close()


async def drained(service: Service, *, within: float = 10.0) -> None:
    """Wait until the service's receivers are done with every event that it has accepted.

    Raises `NotDrained` after `within` seconds, or as soon as an event is parked.
    """
    table = service.inbox.table
    unfinished = (
        select(table.c.receiver, table.c.routing_key, table.c.state, table.c.attempts)
        .add_columns(table.c.reason)
        .where(table.c.finished_at.is_(None))
        .order_by(table.c.id)
    )
    deadline = time.monotonic() + within
    while True:
        async with service.database.reading() as session:
            rows = (await session.execute(unfinished)).all()
        if not rows:
            return
        if time.monotonic() > deadline or any(row.state == "parked" for row in rows):
            raise NotDrained(
                "; ".join(
                    f"{row.receiver} has {row.routing_key} {row.state} after {row.attempts} "
                    f"attempts: {row.reason or 'no failure'}"
                    for row in rows
                )
            )
        await asyncio.sleep(LOOK_EVERY_S)
