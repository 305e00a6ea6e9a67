"""Waiting, for parts of a program that may be told to stop meanwhile."""

import asyncio
import random
from dataclasses import dataclass

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses after consecutive failures of a server; the last repeats, so that one that is back is
used within five seconds."""


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures before this one."""
    return PAUSES_S[min(failures, len(PAUSES_S) - 1)]


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`; True as soon as the part is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a failed event runs again.

    The pause doubles from `first` to `longest` seconds; a jitter of up to a quarter keeps
    events that failed together from coming back together.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 300.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after that attempt, counted from 1."""
        pause = min(self.first * 2.0 ** (attempt - 1), self.longest)
        return pause * random.uniform(0.75, 1.0)  # noqa: S311 - a jitter, not a secret
