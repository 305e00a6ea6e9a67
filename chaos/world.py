"""The world under test: our programs, their clients, and a listener, on servers given."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import jwt

from chaos.failures import Failures
from chaos.faults import clocks
from chaos.fleet import API, CATALOG, NOTIFIER, RELAY, ROOT, WORK, Fleet, nursery
from chaos.listener import Listener
from chaos.people import PACE, WATCHED, Wish, wishes
from chaos.reckoning import commits
from chaos.reckoning.ledger import Ledger
from chaos.traffic import Crowd
from heliograph.bus import MemoryBus
from heliograph.service import Service
from heliograph.settings import load
from heliograph.testing import SMTPServer
from heliograph.tokens import ALGORITHM, ISSUER, LIFETIME
from heliograph.waiting import LEASE_S
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.notifier.digests import GRACE_S
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.polling import until

SECRET = "the secret of a world that will end soon"  # noqa: S105 - of servers that live for one run
SCOPES = ["catalog:read", "catalog:write", "catalog:admin", "notifier:admin"]
STARTS_WITHIN_S = 30.0
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is raised while a database is away."""
NOBODY = 99
"""The number of the client whose products are watched."""

_DIGESTS_DUE = f"""
UPDATE subscription
SET digest_at = greatest(clock_timestamp() - interval '{GRACE_S + 1} seconds',
                         coalesce(digested_until, created_at))
WHERE digest_at > clock_timestamp()
"""  # noqa: S608 - a figure of ours
_DIGESTS_WAIT = "SELECT FROM subscription WHERE digest_at <= clock_timestamp()"


@dataclass(frozen=True)
class Addresses:
    """Where our programs reach their servers; a proxy may stand in between."""

    catalog_database: str
    notifier_database: str
    bus: str
    smtp: str


@dataclass
class World:
    """What a campaign acts on and what the checker looks at."""

    folder: Path
    images: Path
    direct: Addresses
    services: tuple[Service, ...]
    """Only to look at what they have yet to do, past all proxies."""
    fleet: Fleet
    ledger: Ledger
    listener: Listener
    smtp: SMTPServer
    crowd: Crowd
    headers: Mapping[str, str]
    wishes: list[Wish] = field(default_factory=list)
    """What people want to be told of, from before the first change that is not one of `watched`."""
    watched: list[str] = field(default_factory=list)
    """Products that no client deletes."""
    failures: Failures = field(default_factory=Failures)
    """When something between the mail workers, their database and the mail server failed."""
    not_back: list[str] = field(default_factory=list)
    """What was deleted on the broker and did not come back in time."""

    async def fetch(self, service: str, query: str) -> list[asyncpg.Record]:
        """Ask a service's database, `catalog` or `notifier`, past all proxies."""
        url = (
            self.direct.catalog_database if service == "catalog" else self.direct.notifier_database
        )
        connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def subscribe(self) -> None:
        """Let people be told of new products and of price drops, once there are some to watch."""
        client = await self.crowd.client(NOBODY, [])
        while len(self.watched) < WATCHED:
            self.watched += filter(None, [await client.create()])
        await until(self._heard_of_all, within=STARTS_WITHIN_S)
        self.wishes = wishes(self.watched)
        [api] = self.fleet.of("notifier api")
        async with httpx2.AsyncClient(base_url=api.url, headers=self.headers) as http:
            for wish in self.wishes:
                answer = await http.post("/v1/subscriptions", json=wish.payload())
                answer.raise_for_status()

    async def _heard_of_all(self) -> bool:
        done = "SELECT FROM inbox WHERE state = 'done' AND receiver = 'email_new_product'"
        return len(await self.fetch("notifier", done)) == WATCHED

    async def let_digests_be_due(self) -> None:
        """As if nine o'clock had been a while ago, for all who wait for it."""
        await self.fetch("notifier", _DIGESTS_DUE)

    async def let_days_pass(self, every: float) -> None:
        """Let digests be due again and again, but for while the database is away."""
        while True:
            with suppress(*AWAY):
                await self.let_digests_be_due()
            await asyncio.sleep(every)

    async def digests_made(self) -> bool:
        """Whether all that are due are written."""
        return not await self.fetch("notifier", _DIGESTS_WAIT)

    async def let_an_hour_pass(self) -> None:
        """For the notifier's database: its leases end early, and who had many emails gets more."""
        self.failures.now(lasting=LEASE_S)
        await clocks.put_ahead(self.direct.notifier_database)

    async def answering(self) -> None:
        """Wait until every API answers."""
        async with asyncio.timeout(STARTS_WITHIN_S), httpx2.AsyncClient() as client:
            for member in self.fleet.members:
                while True:
                    try:
                        await client.get(f"{member.url}/health/live")
                        break
                    except httpx2.TransportError:
                        await asyncio.sleep(0.05)


def settings(addresses: Addresses, images: Path) -> dict[str, str]:
    """The settings of both services."""
    both = {
        "BUS_URL": addresses.bus,
        "IMAGE_STORE_URL": images.as_uri(),
        "SECRET_KEY": SECRET,
    }
    return {
        **{f"CATALOG_{name}": value for name, value in both.items()},
        **{f"NOTIFIER_{name}": value for name, value in both.items()},
        "CATALOG_DATABASE_URL": addresses.catalog_database,
        "NOTIFIER_DATABASE_URL": addresses.notifier_database,
        "NOTIFIER_SMTP_URL": addresses.smtp,
        **PACE,
        "NOTIFIER_CATALOG_USER": urlsplit(addresses.bus).username or "",
    }


@asynccontextmanager
async def world(
    folder: Path,
    *,
    direct: Addresses,
    reached: Addresses | None = None,
    smtp: SMTPServer,
    images: Path,
    each: int = 1,
    seed: int = 0,
) -> AsyncIterator[World]:
    """Migrate, listen, start `each` programs of every kind and two APIs at least, and subscribe.

    `direct` is where the servers are, `reached` how our programs reach them.
    """
    async with AsyncExitStack() as stack:
        listener = Listener(direct.bus)
        await _migrate(folder, settings(direct, images))
        for database in (direct.catalog_database, direct.notifier_database):
            await clocks.make_movable(database)
        await commits.watch(direct.notifier_database)
        await asyncio.to_thread(listener.declare)
        listener.start()
        stack.push_async_callback(asyncio.to_thread, listener.end)
        home = await stack.enter_async_context(nursery())
        fleet = Fleet(home, folder, settings(reached or direct, images))
        stack.push_async_callback(fleet.close)
        # Two at least, so that clients get on while one of them is killed again and again.
        await fleet.add(CATALOG, API, max(each, 2))
        await fleet.add(CATALOG, RELAY, each)
        await fleet.add(CATALOG, WORK, each)
        await fleet.add(NOTIFIER, WORK, each)
        await fleet.add(NOTIFIER, API)
        services = _services(settings(direct, images))
        for service in services:
            stack.push_async_callback(service.close)
        headers = {"Authorization": f"Bearer {_token()}"}
        ledger = Ledger()
        rng = random.Random(seed)  # noqa: S311 - replays a seed
        crowd = Crowd(ledger, [api.url for api in fleet.of("catalog api")], headers, rng)
        stack.push_async_callback(crowd.close)
        here = World(
            folder, images, direct, services, fleet, ledger, listener, smtp, crowd, headers
        )
        await here.answering()
        await here.subscribe()
        yield here


def _services(environ: Mapping[str, str]) -> tuple[Service, ...]:
    bus = MemoryBus()
    return (
        Catalog(load(CatalogSettings, environ), bus),
        Notifier(load(NotifierSettings, environ), bus),
    )


def _token() -> str:
    """A token that does not say since when: a clock an hour behind would refuse it."""
    claims = {
        "iss": ISSUER,
        "aud": ["catalog", "notifier"],
        "sub": "chaos",
        "scope": " ".join(SCOPES),
        "exp": datetime.now(UTC) + LIFETIME,
    }
    return jwt.encode(claims, SECRET, ALGORITHM)


async def _migrate(folder: Path, both: Mapping[str, str]) -> None:
    async def migrate(package: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", package, "migrate"),
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), **both},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{package} migrate: {said.decode()}")

    await asyncio.gather(migrate(CATALOG), migrate(NOTIFIER))
