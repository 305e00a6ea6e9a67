"""Services at work within a test, and what they have yet to do."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Sequence
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
    Raises what a part of them raised; a test that failed by itself has it as a note.
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
        except BaseException as error:
            for task, outcome in zip(tasks, await _ended(stopping, tasks), strict=True):
                if outcome is not None:
                    said = "".join(traceback.format_exception(outcome))
                    error.add_note(f"{task.get_name()} had failed: {said}")
            raise
        for outcome in await _ended(stopping, tasks):
            if outcome is not None:
                raise outcome
    finally:
        for each in services:
            await each.close()


async def _ended(
    stopping: asyncio.Event, tasks: Sequence[asyncio.Task[None]]
) -> Sequence[BaseException | None]:
    """Stop the parts; return what each raised, if anything."""
    stopping.set()
    _, late = await asyncio.wait(tasks, timeout=ENDS_WITHIN_S)
    for task in late:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def unfinished(*services: Service) -> list[Unfinished]:
    """What the services have yet to do: events to relay, events to receive, and what else waits."""
    return [
        piece
        for service in services
        for backlog in service.backlogs
        for piece in await backlog.unfinished()
    ]


async def drained(*services: Service, within: float = 30.0) -> None:
    """Wait until the services have done all that they have to do.

    Raises `NotDrained` after `within` seconds, or as soon as an event is parked.
    """
    deadline = time.monotonic() + within
    calm = 0
    while True:
        # Asked first: on a machine that stood still meanwhile, what is left is looked at anew.
        late = time.monotonic() > deadline
        left = await unfinished(*services)
        calm = 0 if left else calm + 1
        if calm == CALM:
            return
        if left and (late or any(each.state == "parked" for each in left)):
            raise NotDrained("\n".join(map(str, left)))
        await asyncio.sleep(LOOK_EVERY_S)


async def advance(service: Service, seconds: float) -> None:
    """Let so much time pass for what waits for its next attempt; what is due then runs at once."""
    for backlog in service.backlogs:
        if isinstance(backlog, TableBacklog):
            await backlog.hasten(timedelta(seconds=seconds))
    for bell in service.bells:
        bell.ring()
