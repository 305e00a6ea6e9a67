"""Work done in the time that a server takes for its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def meanwhile(waiting: Coroutine[Any, Any, object], work: Callable[[], object]) -> None:
    """Begin to wait, do the work, and return when the waiting is over.

    Raises what either raises, and not before the waiting is over.
    """
    task = asyncio.create_task(waiting)
    try:
        await asyncio.sleep(0)  # the task runs until it waits
        work()
    finally:
        await task
