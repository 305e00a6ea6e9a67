import asyncio

import pytest
from sqlalchemy.engine import make_url

from chaos.faults.proxy import proxy
from heliograph import BusUnavailable
from heliograph.database import Database
from heliograph.http import Health
from heliograph.programs import Process, Programs, Running
from heliograph.service import presence
from heliograph.service.presence import Presence
from tests.databases import postgresql_alone
from tests.integration.heliograph.conftest import running
from tests.integration.heliograph.programs.conftest import TABLE, rows
from tests.polling import until

pytestmark = pytest.mark.usefixtures("hurried")


class Broker:
    """May be away, as its checks then say."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    async def check(self) -> None:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise BusUnavailable(self.trouble)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SOON_S", 0.01)
    monkeypatch.setattr(presence, "RENEWED_EVERY_S", 0.05)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def present(programs: Programs, *checks: tuple[str, Broker, bool]) -> Presence:
    health = Health()
    for name, broker, required in checks:
        health.add(name, broker.check, required=required)
    return Presence(programs, Process(roles=["work"], version="1"), health)


async def found(programs: Programs, **told: object) -> Running | None:
    """The program that tells this of itself."""
    for each in await programs.running():
        if all(getattr(each, name) == value for name, value in told.items()):
            return each
    return None


async def test_a_row_appears_is_renewed_and_goes_with_its_program(
    programs: Programs, database: Database
) -> None:
    async with running(present(programs)):
        first = await until(lambda: found(programs, ready=True, why=None))

        async def renewed() -> bool:
            [then] = await programs.running()
            return bool(then.seen_at > first.seen_at) and then.started_at == first.started_at

        await until(renewed)
    assert await rows(database) == 0


async def test_it_tells_whether_the_program_is_ready_and_why_not(
    programs: Programs, broker: Broker
) -> None:
    both = ("bus", broker, True), ("outbox", broker, False)
    async with running(present(programs, *both)):
        await until(lambda: found(programs, ready=True, why=None))
        broker.trouble = "amqp://shop:secret@broker/ does not answer"
        told = "amqp://shop:***@broker/ does not answer"
        why = f"bus: {told}; outbox: {told}"
        await until(lambda: found(programs, ready=False, why=why))
        broker.trouble = None
        await until(lambda: found(programs, ready=True, why=None))


async def test_one_that_does_its_job_in_spite_of_something_is_ready_and_says_what(
    programs: Programs, broker: Broker
) -> None:
    broker.trouble = "away"
    async with running(present(programs, ("bus", broker, False))):
        await until(lambda: found(programs, ready=True, why="bus: away"))


async def test_one_that_dies_leaves_its_row_behind(programs: Programs, database: Database) -> None:
    dying = asyncio.create_task(present(programs).run(asyncio.Event()))
    await until(programs.running)
    dying.cancel()
    await asyncio.wait({dying})
    assert await rows(database) == 1


@postgresql_alone
async def test_a_database_that_is_away_is_tried_again(
    programs: Programs, database_url: str
) -> None:
    url = make_url(database_url)
    async with proxy(url.port or 0) as to_database:
        behind = url.set(port=to_database.port).render_as_string(hide_password=False)
        database = Database(behind)
        part = present(Programs(database, TABLE))
        try:
            async with running(part):
                first = await until(lambda: found(programs, ready=True))
                to_database.refuse()
                to_database.reset()
                await until(lambda: part.trouble.reason)
                to_database.heal()

                async def renewed() -> bool:
                    [then] = await programs.running()
                    return bool(then.seen_at > first.seen_at) and part.trouble.reason is None

                await until(renewed)
        finally:
            await database.close()


@postgresql_alone
async def test_a_database_that_does_not_answer_keeps_no_program_from_its_end(
    programs: Programs, database_url: str
) -> None:
    url = make_url(database_url)
    async with proxy(url.port or 0) as to_database:
        behind = url.set(port=to_database.port).render_as_string(hide_password=False)
        database = Database(behind)
        stopping = asyncio.Event()
        part = asyncio.create_task(present(Programs(database, TABLE)).run(stopping))
        await until(programs.running)
        to_database.hold()
        stopping.set()
        async with asyncio.timeout(4.5):
            await part
        to_database.heal()
        await database.close()
