"""What an operator is told of events that the broker refuses."""

import httpx2
import pytest
from asgi_lifespan import LifespanManager

from heliograph.bus import memory
from heliograph.service import Role
from services.catalog.service import Catalog
from tests.integration.heliograph.conftest import running
from tests.integration.services.catalog.conftest import Token, create
from tests.polling import until


async def told(catalog: Catalog, roles: set[Role]) -> tuple[str, int, str]:
    """The readiness of a program with these roles, and its metrics."""
    async with LifespanManager(catalog.app(roles)) as manager:
        transport = httpx2.ASGITransport(app=manager.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://catalog") as client:
            ready = await client.get("/health/ready")
            metrics = (await client.get("/metrics")).text
    return ready.json()["status"], ready.status_code, metrics


async def test_a_relay_that_sets_an_event_aside_is_degraded_until_somebody_decides(
    catalog: Catalog,
    client: httpx2.AsyncClient,
    token: Token,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MAX_MESSAGE_BYTES", 1_000)
    lamp = await create(client, description="x" * 1_000)
    admin = token("catalog:admin")
    async with running(catalog.relay):
        await until(catalog.outbox.parked.page)
        status, code, metrics = await told(catalog, {"relay"})
        assert (status, code) == ("degraded", 200)
        assert "relay_refused_total 1.0" in metrics
        assert "outbox_parked_rows 1.0" in metrics
        assert "outbox_rows 1.0" in metrics  # post_save, which waits behind it
        status, _, _ = await told(catalog, {"api", "relay", "work"})
        assert status == "degraded"
        page = await client.get("/v1/outbox/parked", headers=admin)
        assert [each["subject"] for each in page.json()["items"]] == [lamp["id"]]
        monkeypatch.undo()
        await client.post("/v1/outbox/redrive", headers=admin, json={"all": True})
        await until(lambda: _is_empty(catalog))
        status, _, metrics = await told(catalog, {"relay"})
    assert status == "ok"
    assert "outbox_parked_rows 0.0" in metrics


async def _is_empty(catalog: Catalog) -> bool:
    return await catalog.outbox.status() == (0, 0.0)
