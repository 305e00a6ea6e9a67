import os
import socket
import time
from dataclasses import replace
from datetime import timedelta

from heliograph.database import Database
from heliograph.programs import Process, Programs
from heliograph.service import Prunable
from tests.integration.heliograph.programs.conftest import let_pass, rows


async def test_a_program_is_listed_with_what_it_told_last(programs: Programs) -> None:
    process = Process(roles=["api", "work"], version="1.2.3")
    await programs.renew(process, ready=True, why=None)
    [first] = await programs.running()
    assert (first.name, first.roles) == (f"{socket.gethostname()}:{os.getpid()}", ["api", "work"])
    assert (first.version, first.ready, first.why) == ("1.2.3", True, None)

    await programs.renew(process, ready=False, why="bus: away")
    [then] = await programs.running()
    assert (then.ready, then.why) == (False, "bus: away")
    assert then.seen_at > first.seen_at
    assert replace(then, seen_at=first.seen_at, ready=True, why=None) == first


async def test_programs_are_known_by_more_than_their_names(programs: Programs) -> None:
    # In two containers the first process has the same id, and a host's name need not be unique.
    api, relay = (Process(roles=[role], version="1", name="a1b2c3:1") for role in ("api", "relay"))
    for each in (api, relay):
        await programs.renew(each, ready=True, why=None)
    assert sorted([*each.roles] for each in await programs.running()) == [["api"], ["relay"]]

    await programs.leave(relay)
    assert [each.roles for each in await programs.running()] == [["api"]]


async def test_the_one_that_began_first_is_the_first(programs: Programs) -> None:
    an_hour_ago = time.monotonic() - 3600
    for role, began in (("api", time.monotonic()), ("relay", an_hour_ago)):
        process = Process(roles=[role], version="1", began=began)
        await programs.renew(process, ready=True, why=None)
    relay, api = await programs.running()
    assert (relay.roles, api.roles) == (["relay"], ["api"])
    assert timedelta(minutes=59) < api.started_at - relay.started_at < timedelta(minutes=61)


async def test_one_that_is_silent_for_thirty_seconds_is_listed_no_longer(
    programs: Programs, database: Database
) -> None:
    process = Process(roles=["work"], version="1")
    await programs.renew(process, ready=True, why=None)
    await let_pass(database, timedelta(seconds=25))
    assert len(await programs.running()) == 1
    await let_pass(database, timedelta(seconds=31))
    assert await programs.running() == []

    await programs.renew(process, ready=True, why=None)
    assert len(await programs.running()) == 1


async def test_one_that_is_silent_for_a_day_is_forgotten(
    programs: Programs, database: Database
) -> None:
    memory: Prunable = programs
    await programs.renew(Process(roles=["work"], version="1"), ready=True, why=None)
    await let_pass(database, timedelta(hours=23))
    assert await memory.prune() == 0
    await let_pass(database, timedelta(hours=25))
    assert (await memory.prune(), await memory.prune()) == (1, 0)
    assert await rows(database) == 0


async def test_what_others_have_worded_is_one_line_and_not_endless(programs: Programs) -> None:
    why = "bus: refused\n\tby \0 the broker " + "x" * 10_000
    await programs.renew(Process(roles=["work"], version="1"), ready=False, why=why)
    [found] = await programs.running()
    assert found.why is not None
    assert found.why.startswith("bus: refused by \N{REPLACEMENT CHARACTER} the broker xxx")
    assert len(found.why) == 500
