"""Kills at every crash point: a program dies exactly there and starts again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import httpx2

from chaos.crash_points import POINTS, PROGRAMS, points_of
from chaos.faults.refused import discard_all, operate, parked, write_too_large
from chaos.people import SETTLE_S
from chaos.reckoning.verdict import Verdict, verdict
from chaos.traffic import Client
from chaos.world import World
from heliograph.crash import VARIABLE

DIES_WITHIN_S = 40.0
DRAINS_WITHIN_S = 60.0
BACKLOG_S = 5.0
"""More for each round: the one worker that dies all the time leaves its work behind."""
REDRIVES_EVERY_S = 5.0
REFUSALS_EVERY_S = 2.0
CLIENTS = 2
PAUSE_S = 0.5
DAY_S = 1.0
"""From one digest to the next."""


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
    stories = [asyncio.create_task(_stories(client, world.watched[0])) for client in clients]
    stories += [
        asyncio.create_task(_refusals(world)),
        asyncio.create_task(world.let_days_pass(DAY_S)),
    ]
    try:
        async with asyncio.TaskGroup() as tasks:
            for role in sorted({*PROGRAMS.values()}):
                tasks.create_task(_kill(world, role, points_of(role), times, hits, told))
    finally:
        for story in stories:
            story.cancel()
        await asyncio.wait(stories)
    within = DRAINS_WITHIN_S + BACKLOG_S * times
    deciding = [asyncio.create_task(_redrive(world)), asyncio.create_task(operate(world))]
    try:
        return await verdict(world, {each: hits[each] for each in POINTS}, within=within)
    finally:
        for task in deciding:
            task.cancel()
        await asyncio.wait(deciding)


async def _redrive(world: World) -> None:
    """Do as an operator does: an event that was running at eight kills in turn is parked."""
    [api] = world.fleet.of("notifier api")
    async with httpx2.AsyncClient(base_url=api.url, headers=world.headers) as client:
        while True:
            with suppress(httpx2.HTTPError):
                await client.post("/v1/inbox/redrive", json={"all": True})
            await asyncio.sleep(REDRIVES_EVERY_S)


async def _kill(
    world: World,
    role: str,
    points: Sequence[str],
    times: int,
    hits: Counter[str],
    told: Callable[[str], None],
) -> None:
    """Let the program start with one point armed after the other, and wait for each death."""
    fleet, member = world.fleet, world.fleet.of(role)[0]
    schedule = [*points] * times
    first = member.pid
    fleet.arm(member, {VARIABLE: schedule[0]})
    await fleet.kill(member)
    await fleet.started(member, first)
    for place, point in enumerate(schedule, start=1):
        doomed = member.pid
        if place < len(schedule):
            fleet.arm(member, {VARIABLE: schedule[place]})
        if not await fleet.killed(member, doomed, within=DIES_WITHIN_S):
            raise NotKilled(f"{member.name} did not pass {point}")
        hits[point] += 1
        await fleet.started(member, doomed)
        if place % len(points) == 0:
            heard = len(world.listener.heard)
            told(f"{role}: round {place // len(points)} of {times}, {heard} copies heard")


async def _stories(client: Client, watched: str) -> None:
    """Do everything that makes a program pass any point, again and again."""
    while True:
        # Two at once, and time to tell of both, by one email.
        products = [*filter(None, [await client.create(), await client.create()])]
        for product in products:
            await client.picture(product)
            await client.reprice(product, 4000)
            await client.view(product)
        await client.waver(watched)
        await client.reprice(watched, 4000)
        await asyncio.sleep(SETTLE_S + PAUSE_S)
        for product in products:
            await client.delete(product)


async def _refusals(world: World) -> None:
    """Let the relay meet an event that the broker will not have, each of a subject of its own.

    One after the other: a relay that dies all the time would have ever more of them to read.
    """
    while True:
        await parked(world, await write_too_large(world, str(uuid4())))
        await discard_all(world)
        await asyncio.sleep(REFUSALS_EVERY_S)
