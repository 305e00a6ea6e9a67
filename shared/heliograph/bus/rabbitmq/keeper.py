"""What a process needs on the broker, kept there whoever deletes it."""

import asyncio
import logging

from heliograph.bus.protocol import Topology
from heliograph.bus.rabbitmq.connection import Link
from heliograph.bus.rabbitmq.topology import declare, verify
from heliograph.errors import BusError
from heliograph.waiting import pause_after

DECLARED_EVERY_S = 30.0
"""Half of the minute within which all is back: a binding may have to wait for its exchange, which
another process declares."""

log = logging.getLogger(__name__)


class TopologyKeeper:
    """Declares what is expected, every so many seconds and when it is woken.

    The broker tells nobody of a deleted binding, and of a deleted exchange only who publishes.
    """

    def __init__(self, link: Link, *, every: float = DECLARED_EVERY_S) -> None:
        self._link = link
        self._every = every
        self._expected: list[Topology] = []
        self._woken = asyncio.Event()
        self._trouble: BusError | None = None
        self._task: asyncio.Task[None] | None = None

    def expect(self, topology: Topology) -> None:
        """As `Bus.expect`."""
        if topology not in self._expected:
            self._expected.append(topology)
            self.wake()
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    def wake(self) -> None:
        """Declare at once, for something may be missing."""
        self._woken.set()

    async def verify(self) -> None:
        """As `Bus.verify`."""
        if self._task is not None and self._task.done():
            self._task.result()
        if self._trouble is not None:
            raise self._trouble
        for topology in self._expected:
            await verify(self._link, topology)

    async def end(self) -> None:
        """Declare nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        failures = 0
        while True:
            trouble = await self._declare()
            if str(trouble) != str(self._trouble):
                if trouble:
                    log.warning("not all that we need is on the broker: %s", trouble)
                else:
                    log.info("all that we need is on the broker again")
            self._trouble = trouble
            failures = failures + 1 if trouble else 0
            await self._pause(pause_after(failures - 1) if trouble else self._every)

    async def _declare(self) -> BusError | None:
        """Declare all that is expected; return what went wrong."""
        try:
            # It may open the connection, which wakes us.
            await self._link.connect()
            self._woken.clear()
            for topology in self._expected:
                await declare(self._link, topology)
        except BusError as error:
            return error
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
