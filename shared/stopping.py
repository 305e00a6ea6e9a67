"""Waiting, for parts of a program that may be told to stop meanwhile."""

import asyncio


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`; True as soon as the part is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
