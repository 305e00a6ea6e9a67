import re
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path as FilePath
from typing import Annotated, Any
from urllib.parse import urljoin

import httpx2
import pytest
import structlog
from fastapi import APIRouter, FastAPI, File, Path, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import StreamingResponse

from heliograph import (
    DatabaseUnavailable,
    Event,
    Refused,
    got_request_exception,
    request_finished,
    request_started,
)
from heliograph.http import PROBLEMS, Health, Metrics, ProblemError, max_body
from heliograph.text import Line
from heliograph.tokens import Caller, Tokens
from heliograph.web import OptionalCaller, create_app, requires, service_of

TOKENS = Tokens(SecretStr("k" * 32), "things")


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Line(20)]
    size: Annotated[int, Field(ge=0, le=10)] = 0


def things() -> APIRouter:
    router = APIRouter(prefix="/v1/things")

    @router.post("", status_code=201)
    async def create(thing: Thing) -> Thing:
        return thing

    @router.get("/{id}")
    async def read(
        id: Annotated[int, Path(le=2**63 - 1)],
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
    ) -> str:
        return str(request.state.traceparent)

    @router.delete("/{id}", status_code=204)
    async def delete_thing(id: int) -> None:
        pass

    @router.post("/{id}/file")
    @max_body(4096)
    async def upload(id: int, file: Annotated[UploadFile, File()]) -> int:
        return len(await file.read())

    @router.get("/errors/{name}")
    async def fail(name: str) -> None:
        raise {
            "refused": Refused("Too cheap."),
            "away": DatabaseUnavailable("db.internal is away"),
            "gone": ProblemError("conflict", "It is taken."),
            "bug": RuntimeError("secret"),
        }[name]

    @router.get("/broken/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("midway")

        return StreamingResponse(chunks())

    @router.get("/who/required")
    async def required(caller: Annotated[Caller, requires("things:read")]) -> str:
        return caller.subject

    @router.get("/who/optional")
    async def optional(caller: OptionalCaller) -> str | None:
        return caller.subject if caller else None

    return router


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    app = create_app(
        "Things", version="1", description="", tokens=TOKENS, health=Health(), metrics=metrics
    )
    app.include_router(things())
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def problem(answer: httpx2.Response, name: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert body["type"] == f"urn:heliograph:problem:{name}"
    assert body["status"] == answer.status_code == PROBLEMS[name].status
    return body


async def test_what_is_wrong_is_named_with_its_place(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"name": "a", "size": 11, "a/b~c": "hush"})
    errors = problem(answer, "invalid")["errors"]
    assert {each["pointer"] for each in errors} == {"#/size", "#/a~1b~0c"}
    assert "hush" not in answer.text

    answer = await client.get("/v1/things/1?limit=0")
    assert problem(answer, "invalid")["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a", "\\ud800": 1}',
        b'{"name": "a\\nb"}',
        b'{"name": "  "}',
        b'{"name": NaN}',
        b'{"name": "a", "size": NaN}',
        b'{"name": "a", "size": 1e999}',
        b'{"name": "a", "size": ' + b"9" * 5000 + b"}",
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'"\xff"',
    ],
)
async def test_a_payload_that_cannot_be_taken_is_a_422(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    answer = await client.post(
        "/v1/things", content=body, headers={"content-type": "application/json"}
    )
    problem(answer, "invalid")


@pytest.mark.parametrize("id", [str(2**63), "9" * 5000, "x", "%00"])
async def test_a_path_that_cannot_be_taken_is_a_422(client: httpx2.AsyncClient, id: str) -> None:
    problem(await client.get(f"/v1/things/{id}"), "invalid")


async def test_a_body_of_another_type_is_a_415(client: httpx2.AsyncClient) -> None:
    for headers in ({"content-type": "text/plain"}, {}):
        answer = await client.post("/v1/things", content=b'{"name": "a"}', headers=headers)
        problem(answer, "unsupported-media-type")
    problem(await client.post("/v1/things/1/file", json={}), "unsupported-media-type")


async def test_a_merge_patch_is_json(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/v1/things",
        content=b'{"name": "a"}',
        headers={"content-type": "application/merge-patch+json"},
    )
    assert answer.status_code == 201


async def test_a_body_that_is_too_large_is_a_413(client: httpx2.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    json = {"content-type": "application/json"}
    problem(await client.post("/v1/things", content=b" " * 2_000_000, headers=json), "too-large")
    problem(await client.post("/v1/things", content=chunks(), headers=json), "too-large")
    problem(await client.post("/v1/things/1/file", files={"file": b"x" * 5000}), "too-large")
    assert (await client.post("/v1/things/1/file", files={"file": b"x" * 100})).json() == 100


async def test_what_is_not_there_is_a_problem_too(client: httpx2.AsyncClient) -> None:
    problem(await client.get("/nowhere"), "not-found")
    answer = await client.put("/v1/things/1")
    problem(answer, "method-not-allowed")
    assert answer.headers["allow"] == "GET, DELETE"


async def test_errors_become_problems_that_tell_nothing_of_the_inside(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/v1/things/errors/refused")
    assert problem(answer, "refused")["detail"] == "Too cheap."
    answer = await client.get("/v1/things/errors/gone")
    assert problem(answer, "conflict")["detail"] == "It is taken."
    for name, known in (("away", "unavailable"), ("bug", "internal")):
        answer = await client.get(f"/v1/things/errors/{name}")
        problem(answer, known)
        assert "secret" not in answer.text
        assert "db.internal" not in answer.text
        assert ("retry-after" in answer.headers) == (known == "unavailable")


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    client: httpx2.AsyncClient,
) -> None:
    with pytest.raises(RuntimeError, match="midway"):
        await client.get("/v1/things/broken/stream")


async def test_the_trace_of_the_caller_is_passed_through(client: httpx2.AsyncClient) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await client.get("/v1/things/1", headers={"traceparent": trace})
    assert answer.json() == trace


@pytest.mark.parametrize(
    "trace",
    [
        "nonsense",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ],
)
async def test_a_malformed_trace_is_replaced(client: httpx2.AsyncClient, trace: str) -> None:
    answer = await client.get("/v1/things/1", headers={"traceparent": trace})
    assert answer.json() != trace
    assert len(answer.json()) == 55


async def test_requests_are_measured_by_the_template_of_their_route(
    client: httpx2.AsyncClient,
) -> None:
    await client.get("/v1/things/77")
    await client.request("BREW", "/v1/things/78")
    await client.get("/nowhere/79")
    text = (await client.get("/metrics")).text
    series = "http_request_duration_seconds_count"
    assert series + '{method="GET",route="/v1/things/{id}",status="200"} 1.0' in text
    assert series + '{method="other",route="/v1/things/{id}",status="405"} 1.0' in text
    assert series + '{method="GET",route="unmatched",status="404"} 1.0' in text
    assert "things/7" not in text


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/docs"])
async def test_what_every_service_answers_is_measured_by_its_route(
    client: httpx2.AsyncClient, path: str
) -> None:
    await client.get(path)
    text = (await client.get("/metrics")).text
    series = "http_request_duration_seconds_count"
    assert series + f'{{method="GET",route="{path}",status="200"}} 1.0' in text
    assert "unmatched" not in text


async def test_every_answer_has_security_headers(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/things/1", "/nowhere", "/v1/things/errors/bug", "/docs", "/metrics"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_the_page_of_the_documents_loads_nothing_from_elsewhere(
    client: httpx2.AsyncClient,
) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "//" not in page.text
    # A script or a style within the page would not run.
    assert re.findall(r"<script[^>]*>[^<]|<style| style=| on[a-z]+=", page.text) == []
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for each in loaded:
        file = await client.get(urljoin("http://test/docs", each))
        assert file.status_code == 200
        assert file.headers["x-content-type-options"] == "nosniff"
        kind = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
        assert file.headers["content-type"].startswith(kind[FilePath(each).suffix])
    assert 'url: "openapi.json"' in (await client.get("/docs/start.js")).text


@pytest.mark.parametrize(
    "path",
    ["/v1/things/", "/docs/", "/metrics/", "/health/ready/", "/redoc", "/docs/oauth2-redirect"],
)
async def test_a_path_has_one_form(client: httpx2.AsyncClient, path: str) -> None:
    problem(await client.get(path), "not-found")


async def test_the_start_and_the_end_of_a_request_are_signals(client: httpx2.AsyncClient) -> None:
    heard: list[tuple[str, str]] = []

    async def hear(event: Event[Request]) -> None:
        heard.append((event.signal, event.instance.url.path))

    for signal in (request_started, request_finished):
        signal.connect(hear, Request)
    try:
        await client.get("/v1/things/1")
        await client.get("/v1/things/errors/bug")
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(hear, Request)
    assert heard == [
        ("request_started", "/v1/things/1"),
        ("request_finished", "/v1/things/1"),
        ("request_started", "/v1/things/errors/bug"),
        ("request_finished", "/v1/things/errors/bug"),
    ]


async def test_a_request_that_fails_is_told_to_receivers_with_its_exception(
    client: httpx2.AsyncClient, logged: list[MutableMapping[str, Any]]
) -> None:
    heard: list[str] = []

    async def fail(event: Event[Request]) -> None:
        raise OSError("the tracker is away")

    async def report(event: Event[Request]) -> None:
        heard.append(f"{event.instance.url.path} {event.exception!r}")

    for each in (fail, report):
        got_request_exception.connect(each, Request)
    try:
        problem(await client.get("/v1/things/errors/bug"), "internal")
        problem(await client.get("/v1/things/errors/refused"), "refused")
        problem(await client.get("/v1/things/errors/away"), "unavailable")
    finally:
        for each in (fail, report):
            got_request_exception.disconnect(each, Request)
    assert heard == ["/v1/things/errors/bug RuntimeError('secret')"]
    told = [each["receiver"] for each in logged if each["event"] == "a receiver failed"]
    assert [each.rpartition(".")[2] for each in told] == ["fail"]


async def test_a_token_opens_what_its_scopes_allow(client: httpx2.AsyncClient) -> None:
    async def get(path: str, authorization: str | None = None) -> httpx2.Response:
        headers = {b"authorization": authorization.encode("latin-1")} if authorization else {}
        return await client.get(f"/v1/things/who/{path}", headers=headers)

    good = "Bearer " + TOKENS.issue("user-7", ["things:read"])
    poor = "Bearer " + TOKENS.issue("user-8", ["things:write"])
    assert (await get("required", good)).json() == "user-7"
    assert (await get("optional", good)).json() == "user-7"
    assert (await get("optional", poor)).json() == "user-8"
    assert (await get("optional")).json() is None

    answer = await get("required", poor)
    problem(answer, "forbidden")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    answer = await get("required")
    problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("required", "optional"):
        for wrong in (good + "x", "Bearer", "Bearer x", "Basic dTpw", " ", "Bearer \xe9"):
            answer = await get(path, wrong)
            problem(answer, "unauthenticated")
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_route_reaches_its_service_as_its_class(metrics: Metrics) -> None:
    service = Thing(name="shop")
    app = create_app(
        "Things",
        version="1",
        description="",
        tokens=TOKENS,
        health=Health(),
        metrics=metrics,
        service=service,
    )
    request = Request({"type": "http", "app": app})
    assert service_of(request, Thing) is service
    with pytest.raises(TypeError, match="a Thing answers the request, not a Tokens"):
        service_of(request, Tokens)
    request = Request({"type": "http", "app": FastAPI()})
    with pytest.raises(TypeError, match="no application of create_app"):
        service_of(request, Thing)


async def test_the_openapi_document_tells_of_problems_and_tokens(
    client: httpx2.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/things"]["post"]
    assert set(operation["responses"]["422"]["content"]) == {"application/problem+json"}
    assert {"Problem", "FieldProblem"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_a_request_is_logged_by_its_route_and_a_failure_once(
    client: httpx2.AsyncClient, logged: list[MutableMapping[str, Any]]
) -> None:
    await client.get("/v1/things/errors/bug")
    assert [(line["log_level"], line["route"]) for line in logged] == [
        ("error", "/v1/things/errors/{name}"),
        ("info", "/v1/things/errors/{name}"),
    ]
    assert logged[1]["status"] == 500
