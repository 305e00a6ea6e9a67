"""Kills at every crash point: one program at a time dies exactly there and starts again."""

import asyncio
from collections import Counter
from collections.abc import Callable

from chaos.fleet import Member
from chaos.traffic import Client
from chaos.verdict import Verdict, verdict
from chaos.world import World
from shared.crash import POINTS

DIES_WITHIN_S = 20.0
DRAINS_WITHIN_S = 60.0

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
    """Kill at each crash point so many times, drain, and check everything."""
    client = await world.crowd.client(0, [])
    hits: Counter[str] = Counter()
    for round_ in range(1, times + 1):
        for point in POINTS:
            await _kill_at(world, point, client)
            hits[point] += 1
        told(f"round {round_} of {times}: {len(POINTS)} kills, {len(world.listener.heard)} events")
    return await verdict(world, dict(hits), within=DRAINS_WITHIN_S)


async def _kill_at(world: World, point: str, client: Client) -> None:
    [member] = world.fleet.of(PROGRAMS[point.partition(".")[0]])
    former = member.pid
    await world.fleet.kill(member, then_crash_at=point)
    await world.fleet.started(member, former)
    doomed = member.pid
    story = asyncio.create_task(_stories(client))
    try:
        if not await world.fleet.killed(member, doomed, within=DIES_WITHIN_S):
            raise NotKilled(f"{member.name} did not pass {point}")
        await world.fleet.started(member, doomed)
    finally:
        story.cancel()
        await asyncio.wait({story})
    await _answers(world, member)


async def _stories(client: Client) -> None:
    """Do everything that makes a program pass any point, again and again."""
    while True:
        product = await client.create()
        if product is not None:
            await client.picture(product)
            await client.reprice(product, 4000)
            await client.view(product)
            await client.delete(product)
        await asyncio.sleep(0.3)


async def _answers(world: World, member: Member) -> None:
    if member.role.endswith("api"):
        await world.answering()
