"""Rounds: the sides of a row in turns, so that what disturbs the machine disturbs all."""

import asyncio
import gc
import time
from statistics import median

from benchmarks.measure import Outcome, Row
from benchmarks.world import World

DEADLINE_S = 300
"""Longest that one side may take for one reading; a million rows take minutes."""


async def run(row: Row, world: World, *, rounds: int, seconds: float) -> Outcome:
    """Measure all sides `rounds` times, fewer if `seconds` run out, but at least once.

    A first round warms up and is not counted, unless the row says how many it needs.
    """
    began = time.monotonic()
    outcome = Outcome(row)
    print(f"\n{row.title}\n  {row.stands_for}", flush=True)
    async with row.sides(world) as sides:
        for number in range(0 if row.rounds is None else 1, (row.rounds or rounds) + 1):
            if number > 1 and time.monotonic() - began > seconds * number / (number + 1):
                break
            names = list(sides) if number % 2 else list(sides)[::-1]
            for name in names:
                _settle_heap()
                async with asyncio.timeout(DEADLINE_S):
                    reading = await sides[name]()
                label = f"round {number}" if number else "warm-up"
                print(
                    f"  {label:8} {name:32} {reading.rate:12,.0f} {row.unit}/s"
                    f" {reading.cpu_us:9,.1f} µs CPU",
                    flush=True,
                )
                if number:
                    outcome.readings.setdefault(name, []).append(reading)
    for goal in row.goals:
        if goal.side in outcome.readings and goal.against in outcome.readings:
            ratio = median(outcome.ratios(goal))
            verdict = goal.verdict(ratio).replace("missed", "MISSED")
            told = f"  {goal.side} : {goal.against} = {ratio:.2f} {goal} {verdict}"
            print(told.rstrip(), flush=True)
    return outcome


def _settle_heap() -> None:
    """Begin as our programs do (`heliograph.service.parts.run_parts`), all sides alike."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
