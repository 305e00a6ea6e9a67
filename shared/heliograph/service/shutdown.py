"""Shutdown order: which parts of a program stop before which."""

import asyncio
from collections.abc import Sequence

from heliograph.service.http_server import HttpServer
from heliograph.service.parts import Part


def in_stages(*stages: Sequence[Part]) -> list[Part]:
    """Let each stage work until every part of the stages before it has ended.

    All begin at once. For `run_parts`, whose signal to stop reaches only the first stage
    directly.
    """
    staged: list[Part] = []
    before: list[asyncio.Event] = []
    for stage in stages:
        parts = [_Staged(part, tuple(before)) for part in stage]
        before += [part.ended for part in parts]
        staged += parts
    return staged


def in_shutdown_order(servers: Sequence[HttpServer], parts: Sequence[Part]) -> list[Part]:
    """Put a program's parts in the order that leaves nothing half done.

    Requests first, for they fill the buffers that other parts empty; last the parts that say
    that they are `last_to_stop`.
    """
    last = [part for part in parts if getattr(part, "last_to_stop", False)]
    return in_stages(servers, [part for part in parts if part not in last], last)


class _Staged:
    def __init__(self, part: Part, before: Sequence[asyncio.Event]) -> None:
        self.name = part.name
        self.ended = asyncio.Event()
        self._part = part
        self._before = before

    async def run(self, stopping: asyncio.Event) -> None:
        turn = asyncio.Event()
        waiting = asyncio.create_task(self._wait_for_turn(stopping, turn))
        try:
            await self._part.run(turn)
        finally:
            waiting.cancel()
            self.ended.set()

    async def _wait_for_turn(self, stopping: asyncio.Event, turn: asyncio.Event) -> None:
        await stopping.wait()
        for ended in self._before:
            await ended.wait()
        turn.set()
