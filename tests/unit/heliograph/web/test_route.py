import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query
from pydantic import BaseModel, SecretStr

from heliograph.http import Health, Metrics
from heliograph.tokens import Caller, Tokens
from heliograph.web import GuardedRoute, create_app, requires

TOKENS = Tokens(SecretStr("k" * 32), "things")


class Thing(BaseModel):
    name: str


@pytest.fixture
def app() -> FastAPI:
    app = create_app(
        "Things", version="1", description="", tokens=TOKENS, health=Health(), metrics=Metrics()
    )
    router = APIRouter(route_class=GuardedRoute)

    @router.put("/things")
    async def put(thing: Thing, caller: Annotated[Caller, requires("things:write")]) -> Thing:
        return thing

    app.include_router(router)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def problem(answer: httpx2.Response) -> str:
    found: dict[str, str] = answer.json()
    return found["type"].removeprefix("urn:heliograph:problem:")


def bearer(*scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS.issue('user-7', list(scopes))}"}


@pytest.mark.parametrize(
    ("method", "path", "token", "wanted"),
    [
        ("PUT", "/things", {}, "unauthenticated"),
        ("PUT", "/things", {"Authorization": "Bearer forged"}, "unauthenticated"),
        ("PUT", "/things", bearer("things:read"), "forbidden"),
        ("POST", "/things", {}, "method-not-allowed"),
        ("POST", "/nowhere", {}, "not-found"),
    ],
)
@pytest.mark.parametrize("size", [{}, {"Content-Length": str(2**40)}])
async def test_what_needs_no_body_is_answered_before_the_body_is_asked_for(
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    token: dict[str, str],
    wanted: str,
    size: dict[str, str],
) -> None:
    asked = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        asked.set()
        yield b"{"

    headers = {"Content-Type": "application/json", **size, **token}
    assert problem(await client.request(method, path, content=body(), headers=headers)) == wanted
    assert not asked.is_set()


async def test_who_may_write_is_told_what_is_wrong_with_the_body(
    client: httpx2.AsyncClient,
) -> None:
    writer = bearer("things:write")
    assert problem(await client.put("/things", json={}, headers=writer)) == "invalid"
    assert (await client.put("/things", json={"name": "a"}, headers=writer)).json() == {"name": "a"}


def test_a_route_that_would_read_a_body_before_it_knows_the_caller_is_refused(
    app: FastAPI,
) -> None:
    router = APIRouter()

    @router.post("/later")
    async def later(thing: Thing, caller: Annotated[Caller, requires("things:write")]) -> Thing:
        return thing

    with pytest.raises(TypeError, match=r"/later would .*: let its router have route_class"):
        app.include_router(router)


@pytest.mark.parametrize(
    ("query", "odd"),
    [
        ("", []),
        ("?", []),
        ("?limit=2&word=a&word=b", []),
        ("?limit=2&limit=2", ["limit"]),
        ("?Limit=2&offset=1&limit=2", ["Limit", "offset"]),
        ("?limit=2&=", [""]),
        ("?%00=1&%F0%9F%92%A1=1", ["\0", "\U0001f4a1"]),
        ("?" + "&".join(f"x{number}" for number in range(1000)), [f"x{n}" for n in range(50)]),
    ],
)
async def test_a_query_has_the_parameters_of_its_route_and_each_once(
    app: FastAPI, client: httpx2.AsyncClient, query: str, odd: list[str]
) -> None:
    router = APIRouter(route_class=GuardedRoute)

    async def page(limit: int = 10) -> int:
        return limit

    @router.get("/words")
    async def words(
        limit: Annotated[int, Depends(page)], word: Annotated[list[str] | None, Query()] = None
    ) -> list[str]:
        return (word or [])[:limit]

    app.include_router(router)
    answer = await client.get(f"/words{query}")
    errors = answer.json()["errors"] if odd else []
    assert answer.status_code == (422 if odd else 200)
    assert [each["parameter"] for each in errors] == odd


async def test_a_stranger_is_not_told_what_is_wrong_with_the_query(
    client: httpx2.AsyncClient,
) -> None:
    assert problem(await client.put("/things?x=1", json={})) == "unauthenticated"
    writer = bearer("things:write")
    assert problem(await client.put("/things?x=1", json={"name": "a"}, headers=writer)) == "invalid"
