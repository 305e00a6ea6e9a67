"""How the mail server fails: each fault strikes the next email that comes."""

import asyncio
import random
from contextlib import suppress

from chaos.faults.targets import Missed, Targets
from chaos.world import World
from heliograph.testing import Command, Failure
from tests.polling import until

COMMANDS: tuple[Command, ...] = ("RCPT", "DATA")
EMAIL_WITHIN_S = 20.0
HUNG_S = (0.5, 40.0)


async def _played(world: World, failure: Failure) -> None:
    """Wait until the mail server has failed so; take it back if no email comes."""
    with suppress(TimeoutError):
        await until(lambda: not world.smtp.owes(failure), within=EMAIL_WITHIN_S)
    if world.smtp.forgive(failure):
        raise Missed
    if failure.keeps:
        world.failures.now()


async def refuse_an_email_for_now(targets: Targets, rng: random.Random) -> None:
    """The mail server answers one email with 4xx."""
    smtp = targets.world.smtp
    await _played(targets.world, smtp.refuse("451 4.3.0 Later", rng.choice(COMMANDS)))


async def refuse_an_email_for_good(targets: Targets, rng: random.Random) -> None:
    """The mail server answers one email with 5xx."""
    smtp = targets.world.smtp
    await _played(targets.world, smtp.refuse("550 5.7.1 Never", rng.choice(COMMANDS)))


async def drop_after_the_final_dot(targets: Targets, rng: random.Random) -> None:
    """The mail server cuts the connection and leaves open whether it took the email."""
    smtp = targets.world.smtp
    await _played(targets.world, smtp.drop(accept=rng.random() < 0.7))  # noqa: PLR2004 - mostly the worse case


async def hang_over_an_email(targets: Targets, rng: random.Random) -> None:
    """The mail server says nothing for up to 40 seconds, longer than its clients wait."""
    smtp, seconds = targets.world.smtp, rng.uniform(*HUNG_S)
    await _played(targets.world, smtp.hang(seconds, rng.choice(COMMANDS)))
    await asyncio.sleep(seconds)
