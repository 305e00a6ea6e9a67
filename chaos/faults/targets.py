"""What there is to break, and how to mend it whatever happens."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from chaos.faults.proxy import Proxy
from chaos.world import World
from tests.servers.postgresql_cluster import Cluster
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.rabbitmq_node import Node

SHORT_S = (0.5, 4.0)


@dataclass
class Targets:
    """What there is to break."""

    world: World
    cluster: Cluster
    broker: RabbitMQ
    node: Node
    proxies: dict[str, Proxy]
    filler: Path | None
    """A file that may fill the disk of the images; None if that disk is not one of its own."""


class Missed(Exception):
    """There was nothing to break: the fault did not strike and does not count."""


Fault = Callable[[Targets, random.Random], Awaitable[None]]
"""Returns when all is mended; raises `Missed`."""


async def whole(work: Callable[[], object]) -> None:
    """Work in a thread, and to the end even when cancelled meanwhile."""
    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    finally:
        await asyncio.wait({working})


async def restart(stop: Callable[[], object], start: Callable[[], object]) -> None:
    """Stop a server and start it on the same data."""
    try:
        await whole(stop)
    finally:
        await whole(start)


async def for_a_while(rng: random.Random, bounds: tuple[float, float] = SHORT_S) -> None:
    """Leave it broken for some seconds."""
    await asyncio.sleep(rng.uniform(*bounds))
