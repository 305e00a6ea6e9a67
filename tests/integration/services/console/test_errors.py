"""What goes wrong is told to who reads pages by a page, and to programs by a problem."""

import httpx2
import pytest
from fastapi import APIRouter, Response

from heliograph import DatabaseUnavailable
from heliograph.database import Session
from heliograph.web import GuardedRoute
from services.console.api.dependencies import Transaction, Viewer
from services.console.api.pages import HEADERS
from services.console.service import Console
from tests.integration.services.console.conftest import browser

PROGRAM = {"Accept": "*/*"}

pages = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@pages.get("/things/{id}")
async def thing(viewer: Viewer, id: int, limit: int = 1) -> Response:
    return Response()


@pages.get("/broken")
async def broken(viewer: Viewer) -> Response:
    raise RuntimeError("a secret of ours")


@pages.get("/stored")
async def stored(viewer: Viewer, session: Transaction) -> Response:
    return Response()


def is_page(answer: httpx2.Response, status: int, *said: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "<h1>" in answer.text
    for each in said:
        assert each in answer.text


def is_problem(answer: httpx2.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nothing/here", 404, "There is nothing here, or no longer."),
        ("GET", "//evil.example/x", 404, "There is nothing here, or no longer."),
        ("GET", "/static/nothing.css", 404, "There is nothing here, or no longer."),
        ("DELETE", "/sign-in", 405, "This page is not asked for in this way."),
        ("GET", "/things/x", 422, "<code>id</code>: Input should be a valid integer"),
        ("GET", "/things/1?limit=x", 422, "<code>limit</code>: Input should be a valid integer"),
        ("GET", "/things/1?limit=1&limit=2", 422, "<code>limit</code>: Given twice"),
        ("GET", "/things/1?%3Cb%3E=1", 422, "<code>&lt;b&gt;</code>: There is no such parameter"),
        ("GET", "/broken", 500, "Something failed here"),
    ],
)
async def test_what_goes_wrong_on_a_page_is_a_page_for_browsers_alone(
    console: Console, method: str, path: str, status: int, said: str
) -> None:
    async with browser(console, "console:read", more=pages) as client:
        answer = await client.request(method, path)
        is_page(answer, status, said)
        assert "a secret of ours" not in answer.text
        program = await client.request(method, path, headers=PROGRAM)
        is_problem(program, status)
        for name in ("allow", "retry-after"):
            assert answer.headers.get(name) == program.headers.get(name)


async def test_the_page_of_an_error_shows_who_looks_where_that_is_known(console: Console) -> None:
    async with browser(console, "console:read", more=pages) as client:
        assert "Sign out" in (await client.get("/broken")).text
        assert "Sign out" not in (await client.get("/nothing")).text


async def test_a_body_that_is_too_large_is_a_page(console: Console) -> None:
    async with browser(console) as client:
        answer = await client.post("/sign-in", data={"token": "t" * 2**21})
        is_page(answer, 413, "larger than is allowed here")
        answer = await client.post("/sign-in", data={"token": "t" * 2**21}, headers=PROGRAM)
        is_problem(answer, 413)


@pytest.mark.parametrize("body", [b"{}", b"\xff\xfe"])
async def test_a_form_that_is_none_is_a_page(console: Console, body: bytes) -> None:
    for kind in ("application/json", "multipart/form-data", "text/html; charset=nonsense"):
        async with browser(console) as client:
            answer = await client.post("/sign-in", content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500
            assert answer.headers["content-type"].startswith("text/html")


async def test_a_database_that_is_away_is_a_page_that_says_when_to_come_back(
    console: Console,
) -> None:
    async def lose_connection(session: Session) -> None:
        raise DatabaseUnavailable("the connection was lost")

    async with browser(console, "console:read", more=pages) as client:
        console.database.before_commit(lose_connection)
        answer = await client.get("/stored")
        is_page(answer, 503, "database is away")
        assert answer.headers["retry-after"] == "2"
        is_problem(await client.get("/stored", headers=PROGRAM), 503)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/inbox/parked", 401),
        ("/v1/nothing", 404),
        ("/v1", 404),
        ("/health/nothing", 404),
        ("/metrics/nothing", 404),
    ],
)
async def test_what_programs_ask_for_is_answered_as_programs_read_it(
    console: Console, path: str, status: int
) -> None:
    async with browser(console) as client:
        is_problem(await client.get(path), status)
