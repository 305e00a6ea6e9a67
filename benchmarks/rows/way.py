"""The way of one change through the real programs: what each of them takes of a processor."""

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg

from benchmarks.load import load
from benchmarks.measure import Measure, Reading, Row, Sides, cpu_seconds
from benchmarks.memory import output, settings
from benchmarks.programs import server
from benchmarks.rows.write import CHANGED, CONNECTIONS, Served, patches
from benchmarks.seeding import seed
from benchmarks.world import World
from tests.polling import until

LEGS = {
    "PATCH": ("services.catalog", "serve", "--only", "api"),
    "relay": ("services.catalog", "relay"),
    "accept and consume": ("services.notifier", "work"),
}
ALL = "all of it"
HEARD = 2
"""Receivers of the notifier that hear a change: one the `pre_save`, one the `post_save`."""
TICK_S = 0.01
"""The kernel counts CPU in these."""
DRAINING_S = 120


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Each program is a process, as in production; the sides of a round are one run of all."""
    async with AsyncExitStack() as stack:
        env = await settings(world, stack)
        for service in ("services.catalog", "services.notifier"):
            await output(service, "migrate", env=env)
        token = await output(
            *("services.catalog", "token", "--subject", "bench", "--scope", "catalog:write"),
            env=env,
        )
        pids = {}
        api = 0
        for name, command in LEGS.items():
            # They log every request.
            pids[name], port = await stack.enter_async_context(
                server(*command, "--port", env=env, quiet=True)
            )
            api = api or port
        catalog_url = env["CATALOG_DATABASE_URL"]
        served = Served(
            pids["PATCH"], api, catalog_url, "catalog", "/v1/products", "/v1/products/*", token
        )
        inbox = await asyncpg.connect(env["NOTIFIER_DATABASE_URL"].replace("+asyncpg", ""))
        stack.push_async_callback(inbox.close)
        readings: dict[str, Reading] = {}

        async def leg(name: str) -> Reading:
            if name not in readings:
                readings.update(await _run(served, pids, inbox, world.seconds))
            return readings.pop(name)

        found: dict[str, Measure] = {name: partial(leg, name) for name in (*LEGS, ALL)}
        yield found


async def _run(
    served: Served, pids: dict[str, int], inbox: asyncpg.Connection, seconds: float
) -> dict[str, Reading]:
    """Change prices, and wait until the last receiver is done."""
    ids = await seed(served.database_url, "catalog", CHANGED, dressed=False)
    # As autovacuum does: an inbox is claimed from by plans for what it held when it was analysed.
    await inbox.execute("VACUUM ANALYZE inbox")
    done = await _done(inbox)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    count = await load(
        served.port, patches(served, ids), seconds=seconds, connections=CONNECTIONS, status=200
    )

    async def is_drained() -> bool:
        return await _done(inbox) == done + HEARD * count

    await until(is_drained, within=DRAINING_S)
    spent = {name: max(cpu_seconds(pid) - before[name], TICK_S) for name, pid in pids.items()}
    spent[ALL] = sum(spent.values())
    return {name: Reading(count, cpu, cpu) for name, cpu in spent.items()}


async def _done(inbox: asyncpg.Connection) -> int:
    found: int = await inbox.fetchval("SELECT count(*) FROM inbox WHERE state = 'done'")
    return found


ROWS = (
    Row(
        "The way of one price change, from the PATCH to its last receiver",
        "What servers are paid for each price change, all of them together.",
        "changes",
        sides,
        notes="The programs as they are: the catalog's API and relay, the notifier's worker. Of"
        " the two events of a change each is heard by one receiver with a session, that finds"
        " nothing to do. The rate is what one core would do if it did nothing else.",
    ),
)
