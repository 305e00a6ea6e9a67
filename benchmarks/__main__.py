"""`python -m benchmarks`: measure everything and write `benchmarks/RESULTS.md`."""

import argparse
import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TypeVar

import structlog
import uvloop

from benchmarks import memory, plots, report, start
from benchmarks.measure import Outcome, Row
from benchmarks.runner import run
from benchmarks.world import World, world

T = TypeVar("T")

ROWS = (
    *("publish", "accept", "consume", "write", "bulk", "read", "listing", "latency", "signals"),
    *("way", "mail", "backlog", "embedded"),
)
TABLES = ("memory", "start")
"""What is no row: a table of its own."""
ALL = (*ROWS, *TABLES)

QUICK_S, FULL_S = 160, 800
"""Seconds for all rows together; starting the servers and the tables come on top."""

QUICK_ROUNDS, FULL_ROUNDS = 2, 5


def main() -> int:
    """Run the rows that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four minutes instead of fifteen")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=ALL,
        default=ALL,
        metavar="ROW",
        help=f"measure these and write nothing: {', '.join(ALL)}",
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    names = [name for name in options.only if name not in TABLES]
    rows: list[Row] = [
        row for name in names for row in import_module(f"benchmarks.rows.{name}").ROWS
    ]
    began, load = time.monotonic(), os.getloadavg()[0]
    with world(quick=options.quick) as place:
        if place.compiler is None:
            print("LEFT OUT: what is compared with the C client: no cc, gcc or clang here.")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcomes = runner.run(_run_all(rows, place))
            sizes = runner.run(_table(memory.measure, place)) if "memory" in options.only else []
            starts = runner.run(_table(start.measure, place)) if "start" in options.only else []
    minutes = (time.monotonic() - began) / 60
    if options.only == ALL:
        report.write(
            outcomes,
            sizes,
            starts,
            quick=options.quick,
            minutes=minutes,
            load=load,
            compiler=place.compiler,
        )
        plots.write(outcomes)
    failed = len(rows) - len(outcomes)
    failed += ("memory" in options.only and not sizes) + ("start" in options.only and not starts)
    if failed:
        print(f"FAILED: {failed} rows, see above", file=sys.stderr)
        return 1
    return 0


async def _run_all(rows: list[Row], place: World) -> list[Outcome]:
    rounds, left = (QUICK_ROUNDS, QUICK_S) if place.quick else (FULL_ROUNDS, FULL_S)
    ends = time.monotonic() + left
    outcomes = []
    for number, row in enumerate(rows):
        share = (ends - time.monotonic()) / (len(rows) - number)
        try:
            outcomes.append(await run(row, place, rounds=rounds, seconds=share))
        # Whatever a row stumbles over, the others are worth measuring; it is told at the end.
        except Exception:  # noqa: BLE001
            traceback.print_exc()
    return outcomes


async def _table(measure: Callable[[World], Awaitable[list[T]]], place: World) -> list[T]:
    try:
        return await measure(place)
    # As with a row.
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        return []


if __name__ == "__main__":
    sys.exit(main())
