"""The programs of each service, as it lists them over REST."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from yarl import URL

from chaos.faults.proxy import proxy
from heliograph.bus import Topology
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.http import Health
from heliograph.inbox import worker
from heliograph.outbox import relay
from heliograph.service import Role, Service, in_shutdown_order, presence
from services.notifier.sending import spreader
from services.notifier.sending import worker as mail_worker
from tests.integration.heliograph.conftest import running
from tests.polling import until
from tests.services import catalog, migrated, notifier


@pytest.fixture(params=[catalog, notifier])
def make(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Callable[..., Any]:
    """Makes the service once more, as another process does."""
    return partial(request.param, database_url, tmp_path)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SOON_S", 0.01)
    monkeypatch.setattr(presence, "RENEWED_EVERY_S", 0.1)


@asynccontextmanager
async def at_work(service: Service, *roles: Role) -> AsyncIterator[None]:
    """Let the service do what a process with these roles does, but for answering HTTP."""
    async with running(*in_shutdown_order([], service.parts(roles))):
        yield


@asynccontextmanager
async def listing(service: Service) -> AsyncIterator[Callable[[], Any]]:
    """Gives what lists the programs by their roles."""
    token = service.tokens.issue("operator", [f"{service.name}:admin"])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=service.app({"api"})),
        base_url="http://service",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:

        async def listed() -> dict[str, Any]:
            answer = await client.get("/v1/programs")
            assert answer.status_code == 200
            return {" ".join(each["roles"]): each for each in answer.json()["items"]}

        yield listed


async def test_every_program_is_listed_until_it_ends(make: Callable[..., Service]) -> None:
    async with (
        migrated(make()) as first,
        migrated(make()) as second,
        listing(first) as listed,
        at_work(first, "api"),
    ):

        async def both() -> Any:
            found = await listed()
            return found if len(found) == 2 else None

        async with at_work(second, "work"):
            found = await until(both)
            assert found.keys() == {"api", "work"}
            assert found["work"].keys() == {
                *("name", "roles", "version", "started_at", "seen_at", "ready", "why")
            }
            assert found["work"]["version"] == second.version
            assert found["work"]["seen_at"] > found["work"]["started_at"]
        assert (await listed()).keys() == {"api"}


async def test_a_program_has_the_roles_that_its_service_has(make: Callable[..., Service]) -> None:
    async with (
        migrated(make()) as service,
        listing(service) as listed,
        at_work(service, "work", "relay", "api"),
    ):
        found = await until(listed)
    assert found.keys() == {"api relay work" if service.name == "catalog" else "api work"}


async def test_a_broker_that_is_away_is_why_a_program_is_not_ready(
    make: Callable[..., Service], amqp_url: str
) -> None:
    async with AsyncExitStack() as stack:
        broker = URL(amqp_url)
        to_broker = await stack.enter_async_context(proxy(broker.port or 0))
        buses = [RabbitBus(str(broker.with_port(to_broker.port))) for _ in range(2)]
        for bus in buses:
            stack.push_async_callback(bus.close)
        await buses[0].declare(Topology(exchanges=("catalog.events",)))
        api, work = [await stack.enter_async_context(migrated(make(bus))) for bus in buses]
        listed = await stack.enter_async_context(listing(api))
        await stack.enter_async_context(at_work(api, "api"))
        await stack.enter_async_context(at_work(work, "work"))

        async def are(**ready: bool) -> bool:
            found = await listed()
            return {role: each["ready"] for role, each in found.items()} == ready

        async def all_well() -> bool:
            found = await listed()
            return len(found) == 2 and all(each["why"] is None for each in found.values())

        await until(all_well)
        assert await are(api=True, work=True)
        to_broker.refuse()
        to_broker.reset()
        # An API does its job without the broker.
        await until(lambda: are(api=True, work=False))
        found = await until_all_say_why(listed)
        assert {each["why"].partition(":")[0] for each in found.values()} <= {"bus", "topology"}
        to_broker.heal()
        await until(all_well)
        assert await are(api=True, work=True)


async def until_all_say_why(listed: Callable[[], Any]) -> dict[str, Any]:
    async def all_said() -> Any:
        found = await listed()
        return found if all(each["why"] for each in found.values()) else None

    said: dict[str, Any] = await until(all_said)
    return said


async def test_probes_and_the_list_tell_of_the_same_health(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make()
    made: list[Health] = []

    def health(roles: object) -> Health:
        made.append(Health())
        return made[-1]

    monkeypatch.setattr(service, "health", health)
    service.app(["work", "relay"])
    service.parts(["relay", "work"])
    await service.close()
    assert len(made) == 1


async def test_who_waits_for_work_ends_when_told_to(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (relay, worker, mail_worker, spreader):
        monkeypatch.setattr(module, "POLL_S", 3600.0)
    async with migrated(make()) as service, at_work(service, "api", "relay", "work"):
        # Time to find that there is nothing to do.
        await asyncio.sleep(0.5)
