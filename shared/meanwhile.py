"""Work of the processor's in the time that a server takes for its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def meanwhile(waiting: Coroutine[Any, Any, object], work: Callable[[], T]) -> T:
    """Begin to wait, do the work, and return its result when the waiting is over.

    Raises what either raises, and not before the waiting is over.
    """
    task = asyncio.create_task(waiting)
    try:
        await asyncio.sleep(0)  # the task runs until it waits
        return work()
    finally:
        await task
