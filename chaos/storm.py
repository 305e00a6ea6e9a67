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
from services.notifier.sending.worker import BATCH, SIDE_BY_SIDE

CLIENTS = 10
PACE_S = 0.2
DRAINS_WITHIN_S = 60.0
TOLD_EVERY_S = 15.0
PARTED = ("crash PostgreSQL", "PostgreSQL link: cut after a byte", "PostgreSQL link: reset",
          "PostgreSQL link: hold")  # fmt: skip
"""Faults that can part a mail worker from its database, with what it has sent side by side."""


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
    traffic = asyncio.create_task(world.crowd.run(CLIENTS, calm, PACE_S))
    reporting = asyncio.create_task(_tell(targets, storm, told))
    try:
        await storm.blow()
        calm.set()
        await traffic
    finally:
        for task in (traffic, reporting):
            task.cancel()
        await asyncio.wait({traffic, reporting})
    told("the storm is over")
    operating = asyncio.create_task(operate(world))
    try:
        return await verdict(
            world,
            {name: storm.hits[name] for name in FAULTS},
            within=DRAINS_WITHIN_S,
            uncertain_emails=_uncertain(targets, storm.hits),
        )
    finally:
        operating.cancel()
        await asyncio.wait({operating})


def _uncertain(targets: Targets, hits: Counter[str]) -> int:
    """How many emails may have come again, for nobody knew whether they had been taken."""
    fleet = targets.world.fleet
    workers = len(fleet.of("notifier work"))
    parted = fleet.kills["notifier work"] + fleet.stops["notifier work"]
    parted += sum(hits[name] for name in PARTED) * workers
    return (
        parted * SIDE_BY_SIDE
        + hits["SMTP drops after the dot"]
        + hits["SMTP hangs"]
        + targets.proxies["SMTP link"].severed
        # A worker goes by its own clock and sends on what another has claimed meanwhile.
        + hits["clock of the notifier's database"] * workers * BATCH
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
