"""The parameters of queries, alike on every route of all services."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from heliograph.service import Service
from tests.services import catalog, console, migrated, notifier

ID = "019a0000-0000-7000-8000-000000000000"
SCOPES = ("catalog:read", "catalog:write", "catalog:admin", "notifier:admin", "console:admin")


@pytest.fixture(params=[catalog, notifier, console])
async def service(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Service]:
    async with migrated(request.param(sqlite_url, tmp_path)) as service:
        yield service


@pytest.fixture
def app(service: Service) -> FastAPI:
    app = service.app({"api"})
    assert isinstance(app, FastAPI)
    return app


@asynccontextmanager
async def calling(service: Service, app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    token = service.tokens.issue("user-7", SCOPES)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://service",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


def calls(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for template, methods in app.openapi()["paths"].items():
        path = template.format(
            id=ID,
            image_id=ID,
            category_id=ID,
            key=ID,
            viewer="v",
            token="t",
            email="e@x.example",
            event_id=ID,
        )
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_a_parameter_that_a_call_does_not_have_is_refused(
    service: Service, app: FastAPI
) -> None:
    async with calling(service, app) as client:
        for method, path, _ in calls(app):
            # Who counts clicks on a link in an email adds parameters to it.
            if path.startswith(("/health/", "/unsubscribe/", "/preferences/", "/confirm/")):
                continue
            answer = await client.request(method, path, params={"colour": "red"})
            assert answer.status_code == 422, (method, path)
            [error] = answer.json()["errors"]
            assert error == {"detail": "There is no such parameter", "parameter": "colour"}


async def test_a_parameter_comes_once(service: Service, app: FastAPI) -> None:
    async with calling(service, app) as client:
        for method, path, operation in calls(app):
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "query":
                    continue
                name = parameter["name"]
                answer = await client.request(method, path, params=[(name, "1"), (name, "1")])
                assert answer.status_code == 422, (method, path)
                [error] = answer.json()["errors"]
                assert error == {"detail": "Given twice", "parameter": name}


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]
)
async def test_what_a_program_says_of_itself_it_says_whatever_the_query(
    service: Service, app: FastAPI, path: str
) -> None:
    async with calling(service, app) as client:
        assert (await client.get(path, params={"colour": "red"})).status_code == 200


def test_the_limit_is_the_same_for_every_list(app: FastAPI) -> None:
    limits = {
        path: parameter["schema"]
        for _, path, operation in calls(app)
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    }
    assert limits
    for path, schema in limits.items():
        bounds = [schema[name] for name in ("minimum", "maximum", "default")]
        assert bounds == [1, 200, 50], path
