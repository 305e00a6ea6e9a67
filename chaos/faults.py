"""What can break: each fault breaks one thing and mends it again."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.fleet import Member
from chaos.listener import Heard
from chaos.proxy import Proxy
from chaos.world import World
from shared.crash import POINTS
from tests.servers.postgresql_cluster import Cluster
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.rabbitmq_node import Node

SHORT_S = (0.5, 4.0)
FROZEN_S = (0.5, 22.0)
AGAIN = 40
ROLES = {
    "catalog api": ("catalog.",),
    "catalog relay": ("relay.",),
    "notifier work": ("consumer.", "worker.", "mail.", "purge."),
}


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


Fault = Callable[[Targets, random.Random], Awaitable[None]]


async def _for_a_while(rng: random.Random, bounds: tuple[float, float] = SHORT_S) -> None:
    await asyncio.sleep(rng.uniform(*bounds))


def _somebody(targets: Targets, rng: random.Random) -> Member:
    return rng.choice([each for each in targets.world.fleet.members if not each.frozen])


async def kill_a_program(targets: Targets, rng: random.Random) -> None:
    """SIGKILL."""
    await targets.world.fleet.kill(_somebody(targets, rng))


async def kill_at_a_crash_point(targets: Targets, rng: random.Random) -> None:
    """Restart a program so that it dies at some pass of one of its crash points."""
    role = rng.choice([*ROLES])
    point = rng.choice([each for each in POINTS if each.startswith(ROLES[role])])
    fleet = targets.world.fleet
    member = rng.choice(fleet.of(role))
    if not member.frozen:
        fleet.arm(member, f"{point}:{rng.randrange(1, 6)}")
        await fleet.kill(member)


async def freeze_a_program(targets: Targets, rng: random.Random) -> None:
    """SIGSTOP, and SIGCONT up to 22 seconds later: long enough to lose every lease."""
    fleet, member = targets.world.fleet, _somebody(targets, rng)
    pid = member.pid
    fleet.freeze(member)
    try:
        await _for_a_while(rng, FROZEN_S)
    finally:
        if member.pid == pid:
            fleet.thaw(member)


async def crash_the_broker(targets: Targets, rng: random.Random) -> None:
    """SIGKILL, then a start on the same data."""
    await asyncio.to_thread(targets.node.kill)
    await asyncio.to_thread(targets.node.start)


async def stop_the_broker(targets: Targets, rng: random.Random) -> None:
    """Stop it in order, then start it."""
    await asyncio.to_thread(targets.node.stop)
    await asyncio.to_thread(targets.node.start)


async def freeze_the_broker(targets: Targets, rng: random.Random) -> None:
    """SIGSTOP: connections stay open and nothing answers."""
    targets.node.pause()
    try:
        await _for_a_while(rng)
    finally:
        targets.node.resume()


async def close_all_connections(targets: Targets, rng: random.Random) -> None:
    """As an operator would."""
    await asyncio.to_thread(targets.broker.close_connections, targets.world.direct.bus)


async def raise_the_memory_alarm(targets: Targets, rng: random.Random) -> None:
    """The broker blocks whoever publishes."""
    await asyncio.to_thread(targets.node.block)
    try:
        await _for_a_while(rng)
    finally:
        await asyncio.to_thread(targets.node.unblock)


async def crash_postgresql(targets: Targets, rng: random.Random) -> None:
    """`pg_ctl stop -m immediate`, then a start on the same data."""
    await asyncio.to_thread(targets.cluster.stop_immediately)
    await asyncio.to_thread(targets.cluster.start)


def _through(name: str, breaking: Callable[[Proxy, random.Random], None]) -> Fault:
    async def fault(targets: Targets, rng: random.Random) -> None:
        proxy = targets.proxies[name]
        breaking(proxy, rng)
        try:
            await _for_a_while(rng)
        finally:
            proxy.heal()

    return fault


def _cut(proxy: Proxy, rng: random.Random) -> None:
    proxy.cut_after(rng.randrange(1, 50_000))


BREAKS: dict[str, Callable[[Proxy, random.Random], None]] = {
    "cut after a byte": _cut,
    "drip": lambda proxy, _rng: proxy.drip(),
    "hold": lambda proxy, _rng: proxy.hold(),
    "reset": lambda proxy, _rng: proxy.reset(),
}


async def refuse_emails_for_now(targets: Targets, rng: random.Random) -> None:
    """The mail server answers one email with 4xx."""
    targets.world.smtp.refuse("451 4.3.0 Later", rng.choice(["RCPT", "DATA"]))


async def refuse_an_email_for_good(targets: Targets, rng: random.Random) -> None:
    """The mail server answers one email with 5xx."""
    targets.world.smtp.refuse("550 5.7.1 Never", rng.choice(["RCPT", "DATA"]))


async def drop_after_the_final_dot(targets: Targets, rng: random.Random) -> None:
    """The mail server cuts the connection and leaves open whether it took the email."""
    targets.world.smtp.drop(accept=rng.random() < 0.7)  # noqa: PLR2004 - mostly the worse case


async def lose_the_image_store(targets: Targets, rng: random.Random) -> None:
    """The directory is gone for a while."""
    away = targets.world.images.with_name("away")
    targets.world.images.rename(away)
    try:
        await _for_a_while(rng)
    finally:
        await asyncio.to_thread(_bring_back, away, targets.world.images)


def _bring_back(away: Path, images: Path) -> None:
    """Rename, and keep what a program that started meanwhile has put into a store of its own."""
    while images.exists():
        for path in [*images.iterdir()]:
            with suppress(FileNotFoundError):
                path.rename(away / path.name)
        with suppress(OSError):
            images.rmdir()
    away.rename(images)


async def fill_the_disk(targets: Targets, rng: random.Random) -> None:
    """No room is left for images."""
    if targets.filler is None:
        return
    free = shutil.disk_usage(targets.filler.parent).free
    try:
        with targets.filler.open("wb") as file:
            await asyncio.to_thread(file.write, b"\0" * max(free - 4096, 0))
        await _for_a_while(rng)
    except OSError:
        await _for_a_while(rng)
    finally:
        targets.filler.unlink(missing_ok=True)


async def repeat_and_reorder(targets: Targets, rng: random.Random) -> None:
    """Publish copies of what was announced before once more, in another order."""
    heard: list[Heard] = targets.world.listener.heard
    copies = rng.sample(heard, k=min(AGAIN, len(heard)))
    targets.world.listener.repeat(copies)


FAULTS: dict[str, tuple[Fault, float, str]] = {
    "kill a program": (kill_a_program, 14, "program"),
    "kill at a crash point": (kill_at_a_crash_point, 8, "program"),
    "freeze a program": (freeze_a_program, 3, "frozen"),
    "crash the broker": (crash_the_broker, 0.7, "broker"),
    "stop the broker": (stop_the_broker, 0.4, "broker"),
    "freeze the broker": (freeze_the_broker, 0.7, "broker"),
    "close all its connections": (close_all_connections, 1, "broker"),
    "memory alarm": (raise_the_memory_alarm, 0.7, "broker"),
    "crash PostgreSQL": (crash_postgresql, 1.2, "postgresql"),
    "SMTP answers 4xx": (refuse_emails_for_now, 1, "mail"),
    "SMTP answers 5xx": (refuse_an_email_for_good, 0.5, "mail"),
    "SMTP drops after the dot": (drop_after_the_final_dot, 1, "mail"),
    "image store away": (lose_the_image_store, 0.7, "images"),
    "disk full": (fill_the_disk, 0.7, "images"),
    "copies out of order": (repeat_and_reorder, 1, "copies"),
    **{
        f"{server}: {name}": (_through(server, breaking), 0.6, server)
        for server in ("broker link", "PostgreSQL link", "SMTP link")
        for name, breaking in BREAKS.items()
    },
}
"""By name: the fault, its weight, and what it breaks; a thing breaks in one way at a time."""
