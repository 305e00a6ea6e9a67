"""The storm: clients at work while faults strike by chance, from a seed."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from chaos.faults import FAULTS, Targets
from chaos.verdict import Verdict, verdict

EVERY_S = 2.2
"""Mean time between two faults."""
CLIENTS = 10
PACE_S = 0.2
DRAINS_WITHIN_S = 60.0
TOLD_EVERY_S = 15.0
PARTED = ("crash PostgreSQL", "PostgreSQL link: cut after a byte", "PostgreSQL link: reset",
          "PostgreSQL link: hold")  # fmt: skip
"""Faults that can part a mail worker from its database."""


@dataclass(frozen=True)
class Plan:
    """How hard and how long."""

    seed: int
    seconds: float
    most_faults: int


class Storm:
    """Faults that strike until the time or their number is up."""

    def __init__(self, targets: Targets, plan: Plan) -> None:
        self._targets = targets
        self._plan = plan
        self._rng = random.Random(plan.seed)  # noqa: S311 - replays a seed
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.hits: Counter[str] = Counter()

    async def blow(self) -> None:
        """Strike; return when everything is mended."""
        names = [*FAULTS]
        weights = [weight for _, weight, _ in FAULTS.values()]
        end = time.monotonic() + self._plan.seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._plan.most_faults):
                await asyncio.sleep(self._rng.expovariate(1 / EVERY_S))
                if time.monotonic() > end:
                    break
                [name] = self._rng.choices(names, weights)
                tasks.create_task(self._strike(name, random.Random(self._rng.random())))  # noqa: S311

    async def _strike(self, name: str, rng: random.Random) -> None:
        fault, _, what = FAULTS[name]
        if self._locks[what].locked():
            return
        async with self._locks[what]:
            self.hits[name] += 1
            await fault(self._targets, rng)


async def weather(targets: Targets, plan: Plan, *, told: Callable[[str], None]) -> Verdict:
    """Let clients act through a storm, then check everything."""
    world, storm = targets.world, Storm(targets, plan)
    calm = asyncio.Event()
    traffic = asyncio.create_task(world.crowd.run(CLIENTS, calm, PACE_S))
    reporting = asyncio.create_task(_tell(targets, storm, told))
    try:
        await storm.blow()
    finally:
        reporting.cancel()
        calm.set()
        await traffic
    told("the storm is over")
    fleet = world.fleet
    parted = sum(storm.hits[name] for name in PARTED)
    uncertain = (
        fleet.kills["notifier work"]
        + fleet.stops["notifier work"]
        + storm.hits["SMTP drops after the dot"]
        + targets.proxies["SMTP link"].severed
        + storm.hits["SMTP link: hold"] * len(fleet.of("notifier work"))
        + parted * len(fleet.of("notifier work"))
    )
    return await verdict(
        world,
        {name: storm.hits[name] for name in FAULTS},
        within=DRAINS_WITHIN_S,
        uncertain_emails=uncertain,
    )


async def _tell(targets: Targets, storm: Storm, told: Callable[[str], None]) -> None:
    begin = time.monotonic()
    world = targets.world
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        told(
            f"{time.monotonic() - begin:4.0f} s: {sum(storm.hits.values())} faults, "
            f"{sum(world.fleet.kills.values())} kills, {len(world.ledger.entries)} changes, "
            f"{len(world.listener.heard)} copies heard, {len(world.smtp.messages)} emails"
        )
