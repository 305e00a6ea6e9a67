"""Waiting, for parts of a program that may be told to stop meanwhile."""

import asyncio

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
