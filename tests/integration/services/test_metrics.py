"""What each program tells at `/metrics`."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from asgi_lifespan import LifespanManager
from prometheus_client.parser import text_string_to_metric_families

from heliograph import Event
from heliograph.bus import Delivery
from heliograph.database import Database
from heliograph.events import encode
from heliograph.inbox.reading import entry
from heliograph.service import Role, Service
from tests.integration.heliograph.conftest import running
from tests.polling import until
from tests.samples import event
from tests.services import catalog, migrated, notifier

Samples = dict[str, dict[tuple[str, ...], float]]
"""Values by the metric's name and by what its labels say, in the order of their names."""

EVERY = {"outbox_rows", "outbox_oldest_seconds", "outbox_parked_rows"}
"""Of a service that announces; besides what tells of its inbox."""
RELAY = {
    "relay_published_total",
    "relay_refused_total",
    "relay_unrouted_total",
    "relay_failures_total",
}
WORK = {"receiver_runs_total", "receiver_seconds_count", "event_delay_seconds_count"}


async def scrape(service: Service, *roles: Role) -> Samples:
    """What a program with these roles, all by default, answers."""
    async with LifespanManager(service.app(roles or get_args(Role))) as manager:
        transport = httpx2.ASGITransport(app=manager.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            text = (await client.get("/metrics")).text
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def ours(samples: Samples) -> set[str]:
    """Those of our own doings, but for requests and how old a value is."""
    kept = ("outbox_", "relay_", "receiver_", "event_", "mail_", "viewed_")
    left = ("_created", "_bucket", "_sum")
    return {name for name in samples if name.startswith(kept) and not name.endswith(left)}


@pytest.mark.parametrize(("make", "announces"), [(catalog, True), (notifier, False)])
async def test_a_program_exports_what_it_does_itself_and_nothing_else(
    make: Callable[[str, Path], Service], sqlite_url: str, tmp_path: Path, *, announces: bool
) -> None:
    every = EVERY if announces else set()
    buffer = {"viewed_dropped_total"} if announces else set()
    # No email was sent yet: that one has no samples.
    expected: dict[tuple[Role, ...], set[str]] = {
        ("api",): every | buffer,
        ("relay",): every | RELAY,
        ("work",): every | buffer | WORK,
        ("api", "relay", "work"): every | buffer | WORK | RELAY,
    }
    if not announces:
        del expected["relay",], expected["api", "relay", "work"]
    for roles, names in expected.items():
        async with migrated(make(sqlite_url, tmp_path)) as service:
            found = await scrape(service, *roles)
        assert ours(found) == names, roles
        [(labels, value)] = found["heliograph_build_info"].items()
        assert (labels[1], value) == (service.name, 1.0)
        assert found["inbox_oldest_seconds"] == {(each.name,): 0.0 for each in service.receivers}


async def test_only_who_sends_emails_tells_of_them(sqlite_url: str, tmp_path: Path) -> None:
    roles: dict[Role, bool] = {"api": False, "work": True}
    for role, exported in roles.items():
        async with migrated(notifier(sqlite_url, tmp_path)) as service:
            app = service.app([role])
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://n") as client:
                text = (await client.get("/metrics")).text
        assert ("# TYPE mail_total counter" in text) is exported


@pytest.fixture
async def hearing(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with migrated(notifier(database_url, tmp_path)) as service:
        yield service


async def accept(service: Service, receiver: str, *events: Event[Any]) -> None:
    [one] = [each for each in service.receivers if each.name == receiver]
    messages = [encode(each) for each in events]
    entries = [
        entry(one, Delivery("q", each.routing_key, each.headers, each.body)) for each in messages
    ]
    await service.inbox.accept(one, entries)


async def test_receivers_are_counted_and_timed(hearing: Service) -> None:
    receiver = "email_new_product"
    await accept(hearing, receiver, event(created=True), event(created=True))
    waits = (await scrape(hearing))["inbox_oldest_seconds"][receiver,]
    assert waits > 0.0

    async def is_done() -> bool:
        return (await hearing.inbox.status()).get((receiver, "done")) == 2

    async with running(hearing.worker):
        await until(is_done)
    found = await scrape(hearing)
    assert found["receiver_runs_total"]["done", receiver] == 2.0
    assert found["receiver_runs_total"]["parked", receiver] == 0.0
    assert found["receiver_seconds_count"][receiver,] == 2.0
    assert 0.0 < found["receiver_seconds_sum"][receiver,] < 60.0
    assert found["event_delay_seconds_count"][receiver,] == 2.0
    everything = {labels for samples in found.values() for labels in samples}
    assert not [each for labels in everything for each in labels if "lamp" in each.lower()]

    # A look that took long is not repeated at once.
    async def is_young() -> bool:
        return (await scrape(hearing))["inbox_oldest_seconds"][receiver,] == 0.0

    await until(is_young)


async def test_what_is_parked_does_not_age(hearing: Service) -> None:
    receiver = "email_new_product"
    await accept(hearing, receiver, event(created=True))
    database: Database = hearing.database
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE inbox SET state = 'parked'")
    assert (await scrape(hearing))["inbox_oldest_seconds"][receiver,] == 0.0
