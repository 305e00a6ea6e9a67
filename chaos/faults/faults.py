"""What can break: each fault breaks one thing and mends it again, even when it is cancelled."""

import asyncio
import random
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from chaos.crash_points import PROGRAMS, points_of
from chaos.faults import clocks, deletions, mail, refused
from chaos.faults.proxy import Proxy
from chaos.faults.targets import Fault, Missed, Targets, for_a_while, restart, whole
from chaos.fleet import Member
from chaos.listener import Heard
from heliograph.crash import VARIABLE

FROZEN_S = (0.5, 22.0)
AGAIN = 40


def _somebody(targets: Targets, rng: random.Random) -> Member:
    return rng.choice([each for each in targets.world.fleet.members if not each.frozen])


async def kill_a_program(targets: Targets, rng: random.Random) -> None:
    """SIGKILL."""
    await targets.world.fleet.kill(_somebody(targets, rng))


async def kill_at_a_crash_point(targets: Targets, rng: random.Random) -> None:
    """Restart a program so that it dies at some pass of one of its crash points."""
    role = rng.choice(sorted({*PROGRAMS.values()}))
    point = rng.choice(points_of(role))
    fleet = targets.world.fleet
    member = rng.choice(fleet.of(role))
    if member.frozen:
        raise Missed
    fleet.arm(member, {VARIABLE: f"{point}:{rng.randrange(1, 6)}"})
    await fleet.kill(member)


async def shift_a_programs_clock(targets: Targets, rng: random.Random) -> None:
    """Restart a program whose wall clock soon jumps an hour, forward or back."""
    fleet, member = targets.world.fleet, _somebody(targets, rng)
    fleet.arm(member, {clocks.VARIABLE: rng.choice(["3600", "-3600"])})
    await fleet.kill(member)


async def shift_the_catalogs_database(targets: Targets, _rng: random.Random) -> None:
    """Its clock jumps an hour ahead, for good: every lease ends early."""
    await clocks.put_ahead(targets.world.direct.catalog_database)


async def shift_the_notifiers_database(targets: Targets, _rng: random.Random) -> None:
    """Its clock jumps an hour ahead, for good: every lease ends early."""
    await targets.world.let_an_hour_pass()


async def freeze_a_program(targets: Targets, rng: random.Random) -> None:
    """SIGSTOP, and SIGCONT up to 22 seconds later: long enough to lose every lease."""
    with targets.world.fleet.frozen(_somebody(targets, rng)):
        await for_a_while(rng, FROZEN_S)


async def crash_the_broker(targets: Targets, rng: random.Random) -> None:
    """SIGKILL, then a start on the same data."""
    await restart(targets.node.kill, targets.node.start)


async def stop_the_broker(targets: Targets, rng: random.Random) -> None:
    """Stop it in order, then start it."""
    await restart(targets.node.stop, targets.node.start)


async def freeze_the_broker(targets: Targets, rng: random.Random) -> None:
    """SIGSTOP: connections stay open and nothing answers."""
    targets.node.pause()
    try:
        await for_a_while(rng)
    finally:
        targets.node.resume()


async def close_all_connections(targets: Targets, rng: random.Random) -> None:
    """As an operator would."""
    await asyncio.to_thread(targets.broker.close_connections, targets.world.direct.bus)


async def raise_the_memory_alarm(targets: Targets, rng: random.Random) -> None:
    """The broker blocks whoever publishes."""
    try:
        await whole(targets.node.block)
        await for_a_while(rng)
    finally:
        await whole(targets.node.unblock)


async def crash_postgresql(targets: Targets, rng: random.Random) -> None:
    """`pg_ctl stop -m immediate`, then a start on the same data."""
    with targets.world.failures.during():
        await restart(targets.cluster.stop_immediately, targets.cluster.start)


def _through(name: str, breaking: Callable[[Proxy, random.Random], None]) -> Fault:
    async def fault(targets: Targets, rng: random.Random) -> None:
        proxy, failures = targets.proxies[name], targets.world.failures
        severed = len(proxy.severed)
        # What is held back is late, not lost: only a record that is late is one that is missing.
        lasting = name == "PostgreSQL link" and breaking is BREAKS["hold"]
        with failures.during() if lasting else nullcontext():
            breaking(proxy, rng)
            try:
                await for_a_while(rng)
            finally:
                proxy.heal()
        if name != "broker link":
            for moment in proxy.severed[severed:]:
                failures.at(moment)

    return fault


def _cut(proxy: Proxy, rng: random.Random) -> None:
    proxy.cut_after(rng.randrange(1, 50_000))


BREAKS: dict[str, Callable[[Proxy, random.Random], None]] = {
    "cut after a byte": _cut,
    "drip": lambda proxy, _rng: proxy.drip(),
    "hold": lambda proxy, _rng: proxy.hold(),
    "reset": lambda proxy, _rng: proxy.reset(),
}


async def lock_the_image_store(targets: Targets, rng: random.Random) -> None:
    """No file can be made or removed: a disk went read-only, a directory is not ours any more.

    Not missing: a program that started meanwhile would make an empty store, and find there
    that every file is gone already.
    """
    images = targets.world.images
    try:
        if targets.filler is None:
            images.chmod(0)
        else:
            await whole(lambda: _remount(images.parent, "ro"))
        await for_a_while(rng)
    except subprocess.CalledProcessError as error:
        raise Missed from error  # some file was just being written
    finally:
        if targets.filler is None:
            images.chmod(0o755)
        else:
            await whole(lambda: _remount(images.parent, "rw"))


def _remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True, capture_output=True)


async def fill_the_disk(targets: Targets, rng: random.Random) -> None:
    """No room is left for images."""
    if targets.filler is None:
        raise Missed
    free = shutil.disk_usage(targets.filler.parent).free
    try:
        with suppress(OSError), targets.filler.open("wb") as file:
            await whole(lambda: file.write(bytes(free)))
        await for_a_while(rng)
    finally:
        targets.filler.unlink(missing_ok=True)


async def repeat_and_reorder(targets: Targets, rng: random.Random) -> None:
    """Publish copies of what was announced before once more, in another order."""
    heard: list[Heard] = targets.world.listener.heard
    if not heard:
        raise Missed
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
    "an exchange deleted": (deletions.delete_an_exchange, 0.4, "broker"),
    "a queue deleted": (deletions.delete_a_queue, 0.4, "broker"),
    "a binding deleted": (deletions.delete_a_binding, 0.4, "broker"),
    "crash PostgreSQL": (crash_postgresql, 1.2, "postgresql"),
    "clock of a program": (shift_a_programs_clock, 1, "program"),
    "clock of the catalog's database": (shift_the_catalogs_database, 0.4, "postgresql"),
    "clock of the notifier's database": (shift_the_notifiers_database, 0.2, "postgresql"),
    "SMTP answers 4xx": (mail.refuse_an_email_for_now, 1, "mail"),
    "SMTP answers 5xx": (mail.refuse_an_email_for_good, 0.5, "mail"),
    "SMTP drops after the dot": (mail.drop_after_the_final_dot, 1, "mail"),
    "SMTP hangs": (mail.hang_over_an_email, 0.7, "hung"),
    "image store locked": (lock_the_image_store, 0.7, "images"),
    "disk full": (fill_the_disk, 0.7, "images"),
    "an event too large for the broker": (refused.refuse_an_event, 1, "outbox"),
    "a stranger's full queue": (refused.turn_events_down, 1, "stranger"),
    "copies out of order": (repeat_and_reorder, 1, "copies"),
    **{
        f"{server}: {name}": (_through(server, breaking), 0.6, server)
        for server in ("broker link", "PostgreSQL link", "SMTP link")
        for name, breaking in BREAKS.items()
    },
}
"""By name: the fault, its weight, and what it breaks; a thing breaks in one way at a time."""
