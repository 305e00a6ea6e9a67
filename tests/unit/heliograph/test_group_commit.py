import asyncio
from collections.abc import Sequence

import pytest

from heliograph.group_commit import GroupCommit


class Database:
    """Commits groups when it is let, and can fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.free = asyncio.Event()
        self.failures: list[BaseException] = []

    async def commit(self, items: Sequence[int]) -> list[int]:
        self.groups.append([*items])
        await self.free.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [2 * each for each in items]


async def submitted(
    commits: GroupCommit[int, int], items: Sequence[int]
) -> list["asyncio.Task[int]"]:
    """Submit items, each by a task of its own, and let all of them begin."""
    tasks = [asyncio.create_task(commits.submit(each)) for each in items]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_one_is_under_way_shares_the_next() -> None:
    database = Database()
    commits = GroupCommit(database.commit)
    tasks = await submitted(commits, [1])
    tasks += await submitted(commits, [2, 3])
    database.free.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert database.groups == [[1], [2, 3]]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("gone")])
async def test_an_error_reaches_each_of_its_group_and_no_other(error: Exception) -> None:
    database = Database()
    database.failures.append(error)
    commits = GroupCommit(database.commit)
    first = await submitted(commits, [1, 2])
    meanwhile = await submitted(commits, [3])
    database.free.set()
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*first, *meanwhile, return_exceptions=True)
    assert outcomes[:2] == [error, error]
    assert outcomes[2] == 6


async def test_who_is_cancelled_strands_nobody_and_takes_nothing_back() -> None:
    database = Database()
    commits = GroupCommit(database.commit)
    [leader] = await submitted(commits, [1])
    [other] = await submitted(commits, [2])
    leader.cancel()
    await asyncio.wait({leader})
    database.free.set()
    async with asyncio.timeout(5):
        assert await other == 4
    assert database.groups == [[1], [2]]
    assert leader.cancelled()


async def test_it_goes_on_after_it_was_idle() -> None:
    database = Database()
    database.free.set()
    commits = GroupCommit(database.commit)
    assert await commits.submit(1) == 2
    assert await commits.submit(2) == 4
    assert database.groups == [[1], [2]]


def test_when_the_loop_ends_nobody_waits_for_ever() -> None:
    async def leave_them_waiting() -> list["asyncio.Task[int]"]:
        commits = GroupCommit(Database().commit)
        return await submitted(commits, [1]) + await submitted(commits, [2])

    assert all(each.cancelled() for each in asyncio.run(leave_them_waiting()))
