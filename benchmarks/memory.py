"""The memory of each program, idle and at full load."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count as counter
from pathlib import Path

from benchmarks.catalog import KEY
from benchmarks.load import load, request
from benchmarks.programs import server
from benchmarks.world import World

PROGRAMS = {
    "catalog, API": ("services.catalog", "serve", "--only", "api"),
    "catalog, relay": ("services.catalog", "relay"),
    "catalog, worker": ("services.catalog", "work"),
    "notifier, API": ("services.notifier", "serve", "--only", "api"),
    "notifier, worker": ("services.notifier", "work"),
}
SETTLING_S = 2.0
BATCH = 500
CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class Size:
    """What a program has resident, in MB: after its start, and at most."""

    program: str
    idle: float
    loaded: float


async def measure(world: World) -> list[Size]:
    """Run every program by itself, as in production, and create products in batches.

    That keeps each of them as busy as it gets: the relay empties full claims, the workers find
    more than they can do.
    """
    print("\nMemory of each program", flush=True)
    async with AsyncExitStack() as stack:
        env = await settings(world, stack)
        for service in ("services.catalog", "services.notifier"):
            await output(service, "migrate", env=env)
        token, admin = [
            await output(service, "token", "--subject", "bench", "--scope", scope, env=env)
            for service, scope in (
                ("services.catalog", "catalog:write"),
                ("services.notifier", "notifier:admin"),
            )
        ]
        # They log every request.
        starting = [
            server(*command, "--port", env=env, quiet=True) for command in PROGRAMS.values()
        ]
        found = await asyncio.gather(*map(stack.enter_async_context, starting))
        started = dict(zip(PROGRAMS, found, strict=True))
        _, notifier_port = started["notifier, API"]
        await load(notifier_port, [_subscription(admin)], seconds=5, connections=1, status=201)
        await asyncio.sleep(SETTLING_S)
        idle = {name: megabytes(pid, "VmRSS") for name, (pid, _) in started.items()}
        _, port = started["catalog, API"]
        await load(
            port, _batches(token), seconds=4 * world.seconds, connections=CONNECTIONS, status=200
        )
        sizes = [
            Size(name, idle[name], megabytes(pid, "VmHWM")) for name, (pid, _) in started.items()
        ]
    for size in sizes:
        print(f"  {size.program:24} {size.idle:6.0f} MB idle {size.loaded:6.0f} MB at most")
    return sizes


async def settings(world: World, stack: AsyncExitStack) -> dict[str, str]:
    """Make what both services need; returns it as their environment."""
    bus_url = stack.enter_context(world.vhost())
    images = (world.folder / "images").as_uri()
    shared = {"BUS_URL": bus_url, "SECRET_KEY": KEY, "IMAGE_STORE_URL": images}
    env = {}
    for prefix in ("CATALOG", "NOTIFIER"):
        url = await stack.enter_async_context(world.database())
        own = {"DATABASE_URL": url, "PUBLIC_URL": f"https://{prefix.lower()}.example"}
        env.update({f"{prefix}_{name}": value for name, value in {**shared, **own}.items()})
    mail = (world.folder / "mail").as_uri()
    return {**env, "NOTIFIER_SMTP_URL": mail, "NOTIFIER_MAIL_FROM": "Shop <news@shop.example>"}


async def output(*command: str, env: Mapping[str, str]) -> str:
    """Run a command to its end; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} ended with {process.returncode}")
    return printed.decode().strip()


def _subscription(token: str) -> bytes:
    wish = {"email": "ada@shop.example", "topic": "new_product"}
    return request("POST", "/v1/subscriptions", json.dumps(wish).encode(), token)


def _batches(token: str) -> Iterator[bytes]:
    for start in counter(step=BATCH):
        create = [
            {
                "sku": f"SKU-{number}",
                "name": "Lamp",
                "description": "Gives light. " * 35,
                "price": "19.99",
                "currency": "EUR",
            }
            for number in range(start, start + BATCH)
        ]
        body = json.dumps({"create": create}).encode()
        yield request("POST", "/v1/products/batch", body, token)


def megabytes(pid: int, field: str) -> float:
    """Read a size from the kernel's account of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the process {pid} has no {field}")
