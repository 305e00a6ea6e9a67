from pathlib import Path

import httpx2
import pytest

from heliograph.bus import MemoryBus
from heliograph.service import Service
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.console.service import Console
from services.console.settings import ConsoleSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings

KEY = "a key of the tests, long enough for HS256"
ID = "019a0000-0000-7000-8000-000000000000"
SCOPES = {
    f"{service}:{each}"
    for service in ("catalog", "notifier", "console")
    for each in ("read", "write", "admin")
}

# Each call and the scope that it asks for; None is for everybody.
SHARED = {
    "GET /health/live": None,
    "GET /health/ready": None,
    "GET /asyncapi.json": None,
}
CATALOG = SHARED | {
    "POST /v1/products": "catalog:write",
    "GET /v1/products": None,
    "GET /v1/products/{id}": None,
    "PATCH /v1/products/{id}": "catalog:write",
    "DELETE /v1/products/{id}": "catalog:write",
    "POST /v1/products/batch": "catalog:write",
    "GET /v1/products/{id}/images": None,
    "POST /v1/products/{id}/images": "catalog:write",
    "GET /v1/products/{id}/images/{image_id}": None,
    "PATCH /v1/products/{id}/images/{image_id}": "catalog:write",
    "DELETE /v1/products/{id}/images/{image_id}": "catalog:write",
    "GET /v1/images/{key}": None,
    "PUT /v1/products/{id}/categories": "catalog:write",
    "DELETE /v1/products/{id}/categories": "catalog:write",
    "PUT /v1/products/{id}/categories/{category_id}": "catalog:write",
    "DELETE /v1/products/{id}/categories/{category_id}": "catalog:write",
    "GET /v1/categories": None,
    "POST /v1/categories": "catalog:write",
    "GET /v1/categories/{id}": None,
    "PATCH /v1/categories/{id}": "catalog:write",
    "DELETE /v1/categories/{id}": "catalog:write",
    "GET /v1/products/{id}/views": "catalog:read",
    "GET /v1/products/{id}/views/days": "catalog:read",
    "DELETE /v1/viewers/{viewer}": "catalog:admin",
    "GET /v1/programs": "catalog:admin",
    "GET /v1/inbox/events/{event_id}": "catalog:admin",
    "GET /v1/inbox/failing": "catalog:admin",
    "GET /v1/inbox/parked": "catalog:admin",
    "GET /v1/inbox/parked/{id}": "catalog:admin",
    "POST /v1/inbox/redrive": "catalog:admin",
    "POST /v1/inbox/discard": "catalog:admin",
    "GET /v1/outbox/parked": "catalog:admin",
    "GET /v1/outbox/parked/{id}": "catalog:admin",
    "POST /v1/outbox/redrive": "catalog:admin",
    "POST /v1/outbox/discard": "catalog:admin",
}
NOTIFIER = SHARED | {
    "POST /v1/subscriptions": "notifier:admin",
    "GET /v1/subscriptions": "notifier:admin",
    "GET /v1/subscriptions/{id}": "notifier:admin",
    "DELETE /v1/subscriptions/{id}": "notifier:admin",
    "POST /v1/subscriptions/requests": None,
    "GET /v1/notifications": "notifier:admin",
    "GET /v1/notifications/{id}": "notifier:admin",
    "GET /v1/notifications/{id}/content": "notifier:admin",
    "POST /v1/bounces": "notifier:admin",
    "GET /v1/people/{email}": "notifier:admin",
    "DELETE /v1/people/{email}": "notifier:admin",
    "GET /v1/suppressions": "notifier:admin",
    "DELETE /v1/suppressions/{email}": "notifier:admin",
    "GET /v1/programs": "notifier:admin",
    "GET /v1/inbox/events/{event_id}": "notifier:admin",
    "GET /v1/inbox/failing": "notifier:admin",
    "GET /v1/inbox/parked": "notifier:admin",
    "GET /v1/inbox/parked/{id}": "notifier:admin",
    "POST /v1/inbox/redrive": "notifier:admin",
    "POST /v1/inbox/discard": "notifier:admin",
    "GET /unsubscribe/{token}": None,
    "POST /unsubscribe/{token}": None,
    "GET /preferences/{token}": None,
    "POST /preferences/{token}": None,
    "GET /confirm/{token}": None,
    "POST /confirm/{token}": None,
}


# Its pages stand in no document: `tests/integration/services/console` looks at who sees them.
CONSOLE = SHARED | {
    "GET /v1/programs": "console:admin",
    "GET /v1/inbox/events/{event_id}": "console:admin",
    "GET /v1/inbox/failing": "console:admin",
    "GET /v1/inbox/parked": "console:admin",
    "GET /v1/inbox/parked/{id}": "console:admin",
    "POST /v1/inbox/redrive": "console:admin",
    "POST /v1/inbox/discard": "console:admin",
}


@pytest.fixture
def catalog(sqlite_url: str, tmp_path: Path) -> Service:
    settings = CatalogSettings(
        database_url=sqlite_url, secret_key=KEY, image_store_url=(tmp_path / "images").as_uri()
    )
    return Catalog(settings, MemoryBus())


@pytest.fixture
def notifier(sqlite_url: str, tmp_path: Path) -> Service:
    settings = NotifierSettings(
        database_url=sqlite_url,
        secret_key=KEY,
        image_store_url=(tmp_path / "images").as_uri(),
        smtp_url=(tmp_path / "mail").as_uri(),
    )
    return Notifier(settings, MemoryBus())


@pytest.fixture
def console(sqlite_url: str) -> Service:
    return Console(ConsoleSettings(database_url=sqlite_url, secret_key=KEY), MemoryBus())


@pytest.mark.parametrize(
    ("name", "table"), [("catalog", CATALOG), ("notifier", NOTIFIER), ("console", CONSOLE)]
)
async def test_every_call_is_open_to_those_that_it_is_meant_for_alone(
    request: pytest.FixtureRequest, name: str, table: dict[str, str | None]
) -> None:
    service: Service = request.getfixturevalue(name)
    await service.migrate()
    app = service.api(service.health({"api"}))
    described = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    assert table.keys() == described

    def token(subject: str, scopes: set[str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {service.tokens.issue(subject, sorted(scopes))}"}

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:

        async def ask(call: str, headers: dict[str, str]) -> str:
            method, template = call.split()
            path = template.format(
                id=ID,
                image_id=ID,
                category_id=ID,
                key=ID,
                viewer="v",
                token="t",
                email="e",
                event_id=ID,
            )
            # FastAPI itself would read and parse it before it asks who calls.
            body = b"{" if method in {"POST", "PUT", "PATCH"} else b""
            headers |= {"Content-Type": "application/json", "Content-Length": str(2**40)}
            answer = await client.request(method, path, headers=headers, content=body)
            if answer.status_code in {401, 403}:
                assert answer.headers["www-authenticate"].startswith("Bearer")
                return str(answer.status_code)
            assert answer.status_code < 500, (call, answer.text)
            return "in"

        for call, scope in table.items():
            wanted = {scope} if scope else set()
            got = [
                await ask(call, {}),
                await ask(call, token("ann", SCOPES - wanted)),
                await ask(call, token("bob", wanted)),
                await ask(call, {"Authorization": "Bearer forged"}) if scope else "401",
            ]
            assert got == ([*("401", "403", "in")] if scope else ["in"] * 3) + ["401"], call
    await service.close()
