"""The storm: clients at work while faults strike by chance, from a seed."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from chaos.faults.faults import FAULTS
from chaos.faults.refused import operate
from chaos.faults.targets import Missed, Targets
from chaos.reckoning.verdict import Verdict, verdict

CLIENTS = 10
PACE_S = 0.2
DRAINS_WITHIN_S = 60.0
TOLD_EVERY_S = 15.0
DAY_S = 10.0
"""From one digest to the next."""


@dataclass(frozen=True)
class Plan:
    """How hard and how long."""

    seed: int
    seconds: float
    rate: float
    """Faults a minute, on average."""


class Storm:
    """Faults that strike until the time is up."""

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
            while True:
                await asyncio.sleep(self._rng.expovariate(self._plan.rate / 60))
                if time.monotonic() > end:
                    return
                [name] = self._rng.choices(names, weights)
                tasks.create_task(self._strike(name, random.Random(self._rng.random())))  # noqa: S311

    async def _strike(self, name: str, rng: random.Random) -> None:
        fault, _, what = FAULTS[name]
        if self._locks[what].locked():
            return
        async with self._locks[what]:
            with suppress(Missed):
                await fault(self._targets, rng)
                self.hits[name] += 1


async def weather(targets: Targets, plan: Plan, *, told: Callable[[str], None]) -> Verdict:
    """Let clients act through a storm, then check everything."""
    world, storm = targets.world, Storm(targets, plan)
    calm = asyncio.Event()
    traffic = asyncio.create_task(world.crowd.run(CLIENTS, calm, PACE_S, world.watched))
    besides = [
        asyncio.create_task(_tell(targets, storm, told)),
        asyncio.create_task(world.let_days_pass(DAY_S)),
    ]
    try:
        await storm.blow()
        calm.set()
        await traffic
    finally:
        for task in (traffic, *besides):
            task.cancel()
        await asyncio.wait({traffic, *besides})
    told("the storm is over")
    operating = asyncio.create_task(operate(world))
    try:
        faults = {name: storm.hits[name] for name in FAULTS}
        return await verdict(world, faults, within=DRAINS_WITHIN_S)
    finally:
        operating.cancel()
        await asyncio.wait({operating})


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
