"""Stages: the order in which the parts of a program stop."""

import asyncio
from collections.abc import Sequence

from heliograph.inbox.consumer import Consumer
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

    Requests first, for they fill the buffers that other parts empty. Consumers last: on the
    memory bus a relay waits for them to accept what it publishes.
    """
    consumers = [part for part in parts if isinstance(part, Consumer)]
    others = [part for part in parts if not isinstance(part, Consumer)]
    return in_stages(servers, others, consumers)


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
