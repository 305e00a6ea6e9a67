"""Services at work within a test, and what they have yet to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import get_args

from heliograph.database import TableBacklog, Unfinished
from heliograph.errors import HeliographError
from heliograph.service import Part, Role, Service, in_shutdown_order

LOOK_EVERY_S = 0.02
ENDS_WITHIN_S = 5.0

CALM = 2
"""So many looks in a row must find nothing: between two looks at two services an event can pass
from the one to the other."""


class NotDrained(HeliographError, AssertionError):
    """Work is still unfinished, or set aside; the message says which, and why."""


@asynccontextmanager
async def at_work(*services: Service) -> AsyncIterator[None]:
    """Migrate the services and let them do all that `serve` does, but for answering HTTP.

    What is published on their bus meanwhile reaches their receivers. They are closed at the end.
    Raises what a part of them raised, unless the test itself has failed.
    """
    stopping = asyncio.Event()
    try:
        for each in services:
            await each.migrate()
            await each.check()
        parts: list[Part] = [part for each in services for part in each.parts(get_args(Role))]
        tasks = [
            asyncio.create_task(part.run(stopping), name=part.name)
            for part in in_shutdown_order([], parts)
        ]
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
        for each in services:
            await each.close()


async def unfinished(*services: Service) -> list[Unfinished]:
    """What the services have yet to do: events to relay, events to receive, and what else waits."""
    return [
        piece
        for service in services
        for backlog in service.backlogs
        for piece in await backlog.unfinished()
    ]


async def drained(*services: Service, within: float = 10.0) -> None:
    """Wait until the services have done all that they have to do.

    Raises `NotDrained` after `within` seconds, or as soon as an event is parked.
    """
    deadline = time.monotonic() + within
    calm = 0
    while True:
        left = await unfinished(*services)
        calm = 0 if left else calm + 1
        if calm == CALM:
            return
        if left and (time.monotonic() > deadline or any(each.state == "parked" for each in left)):
            raise NotDrained("\n".join(map(str, left)))
        await asyncio.sleep(LOOK_EVERY_S)


async def advance(service: Service, seconds: float) -> None:
    """Let so much time pass for what waits for its next attempt; what is due then runs at once."""
    for backlog in service.backlogs:
        if isinstance(backlog, TableBacklog):
            await backlog.hasten(timedelta(seconds=seconds))
    for bell in service.bells:
        bell.ring()
