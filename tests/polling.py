"""Waiting for what a test expects, with a deadline."""

import asyncio
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], within: float = 30.0) -> Any:
    """Poll until the condition, plain or awaited, holds; fail after `within` seconds."""
    async with asyncio.timeout(within):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)
