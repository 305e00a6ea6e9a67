"""Programs under measurement, each a process of its own, ended by its process id."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.buses import until
from tests.servers.processes import free_port

STARTING_S = 60


@asynccontextmanager
async def program(
    *command: str, env: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[int]:
    """Run a Python module until the block ends, its output unseen if `quiet`; yields its id."""
    seen = asyncio.subprocess.DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        env={**os.environ, **(env or {})},
        stdout=seen,
        stderr=seen,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def server(
    *command: str, env: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[tuple[int, int]]:
    """Run a program that takes a port as its last argument; yields its process id and port."""
    port = free_port()
    address = f"127.0.0.1:{port}" if command[0] == "gunicorn" else str(port)
    async with program(*command, address, env=env, quiet=quiet) as pid:
        await until(lambda: _answers(port), within=STARTING_S)
        yield pid, port


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def children(pid: int) -> list[int]:
    """The process and those that it started (Linux)."""
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path) as file:  # noqa: PTH123 - proc's files have no size
        found = [int(each) for each in file.read().split()]
    return [pid, *found]
