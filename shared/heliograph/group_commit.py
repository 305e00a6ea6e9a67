"""Group commit: whoever comes while one commit is under way shares the next.

Nothing waits for more to come, so a single one is committed at once; under load one transaction
serves many.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """Commits items in groups, one group at a time, in the order in which they came.

    `commit` answers for each item of its group, in their order; what it raises is raised to each
    of those who wait for one, and the next group is committed all the same.
    """

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Return what became of the item once it is committed.

        Whoever is cancelled meanwhile takes nothing back: the item is committed with its group.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._running is None:
            # In a context of its own: what it logs is not about whoever came first.
            self._running = asyncio.create_task(self._run(), context=Context())
        return await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._commit_group(group)
        finally:
            self._running = None
            # Left only if the loop ends: then nobody shall wait for ever.
            for _, done in self._waiting:
                done.cancel()
            self._waiting.clear()

    async def _commit_group(self, group: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            answers = await self._commit([item for item, _ in group])
        except asyncio.CancelledError:
            for _, done in group:
                done.cancel()
            raise
        # Whatever it is: it is theirs who wait, and those who came meanwhile have their turn.
        except Exception as error:  # noqa: BLE001
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
        else:
            for (_, done), answer in zip(group, answers, strict=True):
                if not done.done():
                    done.set_result(answer)
