"""What it takes to start each program, and what it has resident then."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiormq

from benchmarks.measure import cpu_seconds
from benchmarks.memory import SETTLING_S, megabytes, output, settings
from benchmarks.programs import children, program
from benchmarks.world import World
from tests.polling import until
from tests.servers.processes import free_port

QUICK_STARTS, FULL_STARTS = 1, 3
"""The best of them counts: what a start takes, without what else the machine did."""
STARTING_S = 60

SERVERS = {
    "catalog `serve`": ("services.catalog", "serve"),
    "catalog `serve --only api`": ("services.catalog", "serve", "--only", "api"),
    "catalog `relay`": ("services.catalog", "relay"),
    "catalog `work`": ("services.catalog", "work"),
    "notifier `serve`": ("services.notifier", "serve"),
    "notifier `work`": ("services.notifier", "work"),
}
COMMANDS = {
    "catalog `token`": (
        *("services.catalog", "token", "--subject", "bench", "--scope", "catalog:write"),
    ),
    "catalog `--help`": ("services.catalog", "--help"),
}
PEERS = {
    "Celery worker": ("benchmarks.peers.celery_ledger", "bench.celery"),
    "FastStream": ("benchmarks.peers.faststream_idle", "bench.faststream"),
}
"""Each with the queue that it consumes from once it is ready."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds of CPU until a program is ready, and MB that it has resident then.

    Or until it has ended: then it has none.
    """

    program: str
    cpu: float
    resident: float = 0.0


async def measure(world: World) -> list[Start]:
    """Start one program at a time, on a database and a broker that are migrated."""
    print("\nStart of each program", flush=True)
    found = []
    starts = range(QUICK_STARTS if world.quick else FULL_STARTS)
    async with AsyncExitStack() as stack:
        env = await settings(world, stack)
        for service in ("services.catalog", "services.notifier"):
            await output(service, "migrate", env=env)
        env |= {
            "BENCH_BUS_URL": env["NOTIFIER_BUS_URL"],
            "BENCH_DATABASE_URL": env["NOTIFIER_DATABASE_URL"],
            "BENCH_THREADS": "8",
        }
        for name, command in SERVERS.items():
            found.append(_best(name, [await _server(command, env) for _ in starts]))
        for name, command in COMMANDS.items():
            found.append(_best(name, [(_command(command, env), 0.0) for _ in starts]))
        for name, (module, queue) in PEERS.items():
            found.append(_best(name, [await _peer(module, queue, env) for _ in starts]))
    return found


def _best(name: str, starts: list[tuple[float, float]]) -> Start:
    start = Start(name, min(cpu for cpu, _ in starts), min(size for _, size in starts))
    print(f"  {name:28} {start.cpu:6.2f} s CPU {start.resident:6.0f} MB", flush=True)
    return start


async def _server(command: tuple[str, ...], env: Mapping[str, str]) -> tuple[float, float]:
    port = str(free_port())
    async with program(*command, "--port", port, env=env, quiet=True) as pid:
        await until(lambda: _is_ready(port), within=STARTING_S)
        return await _settled(pid)


async def _is_ready(port: str) -> bool:
    """Whether it says so; a request waits in a socket that is listened on."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    head = await reader.readline()
    writer.close()
    return b" 200 " in head


async def _peer(module: str, queue: str, env: Mapping[str, str]) -> tuple[float, float]:
    async with program(module, env=env, quiet=True) as pid:
        await until(lambda: _is_consumed(env["BENCH_BUS_URL"], queue), within=STARTING_S)
        return await _settled(pid)


async def _is_consumed(bus_url: str, queue: str) -> bool:
    async with aiormq.connect(bus_url) as connection:
        channel = await connection.channel()
        try:
            declared = await channel.queue_declare(queue, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        return bool(declared.consumer_count)


async def _settled(pid: int) -> tuple[float, float]:
    cpu = sum(map(cpu_seconds, children(pid)))
    await asyncio.sleep(SETTLING_S)
    return cpu, sum(megabytes(each, "VmRSS") for each in children(pid))


def _command(command: tuple[str, ...], env: Mapping[str, str]) -> float:
    """Run it to its end; returns its seconds of CPU."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **env}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
