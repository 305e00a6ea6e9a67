"""What somebody may delete on the broker while everything runs, and that it comes back.

What is announced while a binding is missing is lost to its queue. So nothing is announced
meanwhile: the relays stay down, and their events wait in the outbox. Nothing at all may be lost.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import closing, suppress

import asyncpg
import httpx2
import pika
from pika.adapters.blocking_connection import BlockingChannel

from chaos.faults.targets import Missed, Targets, whole
from chaos.listener import QUEUE
from chaos.reckoning import records
from chaos.reckoning.checker import check_inbox, first_copies
from chaos.reckoning.findings import Findings
from chaos.world import World
from heliograph.bus import Queue

QUIET_S = 5.0
"""Longer than a link holds back what a relay wrote before its end."""
QUIET_WITHIN_S = 30.0
BACK_WITHIN_S = 90.0
"""The minute that is promised, and the longest that the one who declares may be stopped in it."""
LOOK_S = 0.5

_AWAY = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    httpx2.HTTPError,
    pika.exceptions.AMQPError,
)


def _queues(world: World) -> list[Queue]:
    return [queue for service in world.services for queue in service.topology.queues]


async def delete_an_exchange(targets: Targets, rng: random.Random) -> None:
    """One for events, for those that nobody has bound, or for dead letters."""
    own = {name for each in targets.world.services for name in each.topology.exchanges}
    names = {*own, *(f"{name}.unrouted" for name in own)}
    names.update(queue.dead_exchange for queue in _queues(targets.world))
    name = rng.choice(sorted(names))
    await _delete(targets, f"exchange {name}", lambda channel: channel.exchange_delete(name))


async def delete_a_queue(targets: Targets, rng: random.Random) -> None:
    """A receiver's, or that of its dead letters."""
    queue = rng.choice(_queues(targets.world))
    name = rng.choice([queue.name, queue.dead])
    await _delete(targets, f"queue {name}", lambda channel: channel.queue_delete(name))


async def delete_a_binding(targets: Targets, rng: random.Random) -> None:
    """Any of ours."""
    found = await asyncio.to_thread(targets.broker.bindings, targets.world.direct.bus)
    source, queue, key = rng.choice(sorted(each for each in found if each[1] != QUEUE))
    await _delete(
        targets,
        f"binding of {queue} to {source}",
        lambda channel: channel.queue_unbind(queue, source, key),
    )


async def _delete(
    targets: Targets, what: str, deletion: Callable[[BlockingChannel], object]
) -> None:
    world = targets.world
    async with world.fleet.without("catalog relay"):
        await _quiet(world)
        before = await asyncio.to_thread(targets.broker.bindings, world.direct.bus)
        await whole(lambda: _on_channel(world, deletion))
        deadline = time.monotonic() + BACK_WITHIN_S
        while not await _is_back(targets, before):
            if time.monotonic() > deadline:
                world.not_back.append(what)
                return
            await asyncio.sleep(LOOK_S)


async def _quiet(world: World) -> None:
    """Wait until nothing is on the broker, and for a while nothing has come to it."""
    end = time.monotonic() + QUIET_WITHIN_S
    heard, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        if time.monotonic() > end:
            raise Missed
        if len(world.listener.heard) != heard or not await _accepted(world):
            heard, since = len(world.listener.heard), time.monotonic()
        await asyncio.sleep(LOOK_S)


async def _accepted(world: World) -> bool:
    """Tell whether all that was announced is in the inboxes."""
    findings = Findings()
    with suppress(*_AWAY):
        if await asyncio.to_thread(records.queued, world):
            return False
        inboxes = await records.inboxes(world)
        check_inbox(first_copies(world.listener.heard), inboxes, findings)
        return not findings.lost
    return False


async def _is_back(targets: Targets, before: set[tuple[str, str, str]]) -> bool:
    with suppress(*_AWAY):
        # The listener is a stranger: nobody binds its queue but itself.
        await asyncio.to_thread(targets.world.listener.declare)
        return before <= await asyncio.to_thread(targets.broker.bindings, targets.world.direct.bus)
    return False


def _on_channel(world: World, work: Callable[[BlockingChannel], object]) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(world.direct.bus))) as connection:
        work(connection.channel())
