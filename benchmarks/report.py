"""`RESULTS.md`: what was measured, on what, and which goals are met."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.measure import Goal, Outcome, Reading
from benchmarks.memory import Size
from benchmarks.start import Start
from tests.servers.postgresql import describe as describe_postgresql
from tests.servers.rabbitmq import describe as describe_rabbitmq

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = (
    *("aio-pika", "aiormq", "asyncpg", "fastapi", "sqlalchemy", "uvloop", "celery", "django"),
    *("djangorestframework", "faststream", "gunicorn", "psycopg"),
)


_IDLE = 0.5
_BUSY = (
    "**The machine was busy with other things: its rates, and ratios of them, mean little."
    " Go by the CPU.**"
)
_READING = (
    "A ratio is the median over rounds in which the sides took turns, with the least and the"
    " greatest; more than 1 means faster. CPU is that of the measured processes alone, in"
    " microseconds a thing; on a shared machine it is steadier than rates are."
)
_RESIDENT = (
    "What each process has resident after its start, and at most while batches of products keep"
    " all of them busy. Much of it is code that they share."
)
_STARTED = (
    "What a host is paid for a deployment, for a process that crashed and comes back, and for one"
    " that waits: CPU from the command until it is ready or has ended, and what it has resident"
    " then; the best of a few starts. The peers wait with a handler that would write one row by a"
    " session of SQLAlchemy; ours also answer questions about their health and their metrics."
)


def write(
    outcomes: Sequence[Outcome],
    sizes: Sequence[Size],
    starts: Sequence[Start],
    *,
    quick: bool,
    minutes: float,
    load: float,
    compiler: str | None,
) -> None:
    """Write the whole page anew; `load` is what the machine did besides, before the run."""
    kind = "quick run (few rounds, small counts)" if quick else "full run"
    parts = [
        "# Results",
        "Written by `make bench`; do not edit.",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, a {kind} of {minutes:.0f} minutes. {_READING}",
        _machine(load),
        *([_BUSY] if load > _IDLE else []),
        "## Goals",
        _goals(outcomes),
    ]
    if compiler is None:
        parts.append("Without a C compiler the broker's ceiling was not measured.")
    for outcome in outcomes:
        parts += [f"## {outcome.row.title}", outcome.row.stands_for, _table(outcome)]
        if outcome.row.notes:
            parts.append(outcome.row.notes)
    if sizes:
        parts += ["## Memory of each program", _memory(sizes), _RESIDENT]
    if starts:
        parts += ["## Start of each program", _starts(starts), _STARTED]
    RESULTS.write_text("\n\n".join(parts) + "\n")


def _memory(sizes: Sequence[Size]) -> str:
    lines = ["| | idle, MB | at full load, MB |", "|---|--:|--:|"]
    lines += [f"| {size.program} | {size.idle:,.0f} | {size.loaded:,.0f} |" for size in sizes]
    return "\n".join(lines)


def _starts(starts: Sequence[Start]) -> str:
    lines = ["| | CPU until ready, s | resident, MB |", "|---|--:|--:|"]
    lines += [
        f"| {each.program} | {each.cpu:.2f} | {f'{each.resident:,.0f}' if each.resident else ''} |"
        for each in starts
    ]
    return "\n".join(lines)


def _machine(load: float) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    postgresql, rabbitmq = _kind(describe_postgresql()), _kind(describe_rabbitmq())
    return f"""\
- {os.cpu_count()} cores ({_processor()}), load {load:.1f} before the run; {platform.system()}
  {platform.release()}; Python {platform.python_version()}
- PostgreSQL: {postgresql}, fsync off, as in the tests; RabbitMQ: {rabbitmq}; all servers and
  clients on one machine
- {packages}"""


def _kind(description: str) -> str:
    """Leave out where on this machine the programs are."""
    return description.partition(", ")[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _goals(outcomes: Sequence[Outcome]) -> str:
    lines = ["| side | against | ratio | least to greatest | goal | |", "|---|---|--:|--:|--:|---|"]
    lines += [_goal(outcome, goal) for outcome in outcomes for goal in outcome.row.goals]
    return "\n".join(lines)


def _goal(outcome: Outcome, goal: Goal) -> str:
    if goal.side not in outcome.readings or goal.against not in outcome.readings:
        return f"| {goal.side} | {goal.against} | | | {goal} | not measured |"
    ratios = outcome.ratios(goal)
    verdict = goal.verdict(median(ratios)).replace("missed", "**missed**")
    return (
        f"| {goal.side} | {goal.against} | {median(ratios):.2f} |"
        f" {min(ratios):.2f} to {max(ratios):.2f} | {goal} | {verdict} |"
    )


def _table(outcome: Outcome) -> str:
    unit = outcome.row.unit
    lines = [
        f"| | {unit}/s | least to greatest | CPU µs | least to greatest | rounds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [_side(name, readings) for name, readings in outcome.readings.items()]
    return "\n".join(lines)


def _side(name: str, readings: Sequence[Reading]) -> str:
    rates = [each.rate for each in readings]
    cpu = [each.cpu_us for each in readings]
    return (
        f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} |"
        f" {median(cpu):,.1f} | {min(cpu):,.1f} to {max(cpu):,.1f} | {len(readings)} |"
    )
