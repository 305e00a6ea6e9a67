"""Kills at every crash point: a program dies exactly there and starts again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from chaos.traffic import Client
from chaos.verdict import Verdict, verdict
from chaos.world import World
from shared.crash import POINTS

DIES_WITHIN_S = 40.0
DRAINS_WITHIN_S = 60.0
CLIENTS = 2
PAUSE_S = 0.2

PROGRAMS = {
    "catalog": "catalog api",
    "relay": "catalog relay",
    "consumer": "notifier work",
    "worker": "notifier work",
    "mail": "notifier work",
    "purge": "notifier work",
}
"""Which program passes the points of a family."""


class NotKilled(Exception):
    """A program did not come by its crash point: the point or the story is wrong."""


async def kill_at_each(
    world: World, times: int = 1, *, told: Callable[[str], None] = lambda _line: None
) -> Verdict:
    """Kill at each crash point so many times, drain, and check everything.

    Programs of different kinds die side by side, each of one point after the other.
    """
    hits: Counter[str] = Counter()
    clients = [await world.crowd.client(number, []) for number in range(CLIENTS)]
    stories = [asyncio.create_task(_stories(client)) for client in clients]
    try:
        async with asyncio.TaskGroup() as tasks:
            for role in sorted({*PROGRAMS.values()}):
                points = [each for each in POINTS if PROGRAMS[each.partition(".")[0]] == role]
                tasks.create_task(_kill(world, role, points, times, hits, told))
    finally:
        for story in stories:
            story.cancel()
        await asyncio.wait(stories)
    return await verdict(world, {each: hits[each] for each in POINTS}, within=DRAINS_WITHIN_S)


async def _kill(
    world: World,
    role: str,
    points: Sequence[str],
    times: int,
    hits: Counter[str],
    told: Callable[[str], None],
) -> None:
    for round_ in range(1, times + 1):
        for point in points:
            await _kill_at(world, role, point)
            hits[point] += 1
        told(f"{role}: round {round_} of {times}, {len(world.listener.heard)} copies heard")


async def _kill_at(world: World, role: str, point: str) -> None:
    fleet = world.fleet
    member = fleet.of(role)[0]
    former = member.pid
    await fleet.kill(member, then_crash_at=point)
    await fleet.started(member, former)
    doomed = member.pid
    if not await fleet.killed(member, doomed, within=DIES_WITHIN_S):
        raise NotKilled(f"{member.name} did not pass {point}")
    await fleet.started(member, doomed)


async def _stories(client: Client) -> None:
    """Do everything that makes a program pass any point, again and again."""
    while True:
        product = await client.create()
        if product is not None:
            await client.picture(product)
            await client.reprice(product, 4000)
            await client.view(product)
            await client.delete(product)
        await asyncio.sleep(PAUSE_S)
