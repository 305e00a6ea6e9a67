"""Django in processes of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import programs
from benchmarks.measure import Reading

THREADS = "16"


async def migrate(database_url: str) -> None:
    """Make the tables."""
    await _run("django_app", "migrate", BENCH_DATABASE_URL=database_url)


async def save(database_url: str, count: int) -> Reading:
    """Save so many products one by one."""
    return _reading(await _run("django_app", "save", str(count), BENCH_DATABASE_URL=database_url))


async def send_mail(port: int, count: int) -> Reading:
    """Send so many emails one by one."""
    return _reading(await _run("django_mail", str(port), str(count)))


def _reading(output: bytes) -> Reading:
    done, seconds, cpu = output.split()
    return Reading(int(done), float(seconds), float(cpu))


async def _run(module: str, *arguments: str, **environment: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.peers.{module}", *arguments),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{module} failed")
    return output


@asynccontextmanager
async def server(database_url: str, bus_url: str | None = None) -> AsyncIterator[tuple[int, int]]:
    """Serve with gunicorn, one process of many threads, as its documentation has it for I/O."""
    await migrate(database_url)
    env = {"BENCH_DATABASE_URL": database_url}
    if bus_url is not None:
        env["BENCH_BUS_URL"] = bus_url
    command = (
        *("gunicorn", "benchmarks.peers.django_app:application", "--log-level", "error"),
        *("--worker-class", "gthread", "--workers", "1", "--threads", THREADS),
        *("--keep-alive", "60", "--bind"),
    )
    async with programs.server(*command, env=env) as running:
        yield running


def processes(pid: int) -> list[int]:
    """The server's processes: gunicorn's workers are children of the one that was started."""
    return programs.children(pid)
