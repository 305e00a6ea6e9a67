import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
from prometheus_client import Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from heliograph.http import Health, Metrics, Watched, plain_app
from heliograph.http.compression import LARGE, SMALLEST, accepted

LONG = "0123456789 " * 1000
ASKS = {"Accept-Encoding": "gzip"}


async def text(request: Request) -> Response:
    headers = {
        name: value for name, value in request.query_params.items() if name not in {"type", "size"}
    }
    size = int(request.query_params.get("size", 5000))
    content = (LONG * 20)[:size]
    return Response(content, headers=headers, media_type=request.query_params["type"])


async def stream(_request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield LONG.encode()

    return StreamingResponse(chunks(), media_type="application/json")


async def part(_request: Request) -> Response:
    return JSONResponse(LONG, 206)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    routes = [Route("/text", text), Route("/stream", stream), Route("/part", part)]
    app = Watched(Starlette(routes=routes), Metrics())
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://test"
    ) as client:
        del client.headers["accept-encoding"]
        yield client


async def raw(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str], method: str = "GET"
) -> tuple[httpx2.Headers, bytes]:
    """The headers of an answer, and its bytes as they were sent."""
    async with client.stream(method, path, headers=headers) as answer:
        return answer.headers, b"".join([each async for each in answer.aiter_raw()])


JSON = "/text?type=application/json"


@pytest.mark.parametrize("size", [SMALLEST, 5000, LARGE + 1])
async def test_who_asks_is_sent_less(client: httpx2.AsyncClient, size: int) -> None:
    plain_headers, plain = await raw(client, f"{JSON}&size={size}&etag=%221%22", {})
    headers, body = await raw(client, f"{JSON}&size={size}&etag=%221%22", ASKS)

    assert "content-encoding" not in plain_headers
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert len(plain) == size
    assert headers["content-length"] == str(len(body))
    assert len(body) < size / 2
    assert (plain_headers["etag"], headers["etag"]) == ('"1"', '"1-gzip"')
    assert plain_headers["vary"] == headers["vary"] == "Accept-Encoding"


async def test_a_head_is_that_of_its_answer(client: httpx2.AsyncClient) -> None:
    path = f"{JSON}&etag=%221%22"
    [(head, _), (headers, _)] = [await raw(client, path, ASKS, each) for each in ("HEAD", "GET")]
    assert head == headers


@pytest.mark.parametrize(
    "path",
    [
        f"{JSON}&size={SMALLEST - 1}",
        f"{JSON}&content-encoding=br",
        f"{JSON}&cache-control=no-store, no-transform",
        "/text?type=image/png",
        "/text?type=text/event-stream",
        "/stream",
        "/part",
    ],
)
async def test_what_is_not_to_be_compressed_is_not(client: httpx2.AsyncClient, path: str) -> None:
    plain_headers, plain = await raw(client, path, {})
    headers, body = await raw(client, path, ASKS)

    assert body == plain
    assert plain_headers == headers


async def test_an_image_and_a_stream_of_events_are_the_same_for_everybody(
    client: httpx2.AsyncClient,
) -> None:
    for kind in ("image/png", "text/event-stream"):
        headers, _ = await raw(client, f"/text?type={kind}", ASKS)
        assert "vary" not in headers


async def test_a_weak_tag_stays(client: httpx2.AsyncClient) -> None:
    headers, _ = await raw(client, f"{JSON}&etag=W/%221%22", ASKS)
    assert (headers["content-encoding"], headers["etag"]) == ("gzip", 'W/"1"')


async def test_who_takes_gzip_alone_gets_little_in_gzip_too(client: httpx2.AsyncClient) -> None:
    headers, body = await raw(client, f"{JSON}&size=10", {"Accept-Encoding": "gzip, identity;q=0"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == LONG[:10].encode()


async def test_metrics_and_errors_are_compressed_for_who_asks() -> None:
    metrics = Metrics()
    # What a process tells of itself alone is almost as short as what is not compressed.
    Gauge("waiting", "Rows. " * 50, registry=metrics.registry)
    app = plain_app(Health(), metrics)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
            answer = await client.get("/metrics", headers={"Accept": accept})
            assert answer.headers["content-encoding"] == "gzip"
            assert "process_open_fds" in answer.text
        gzip_alone = {"Accept-Encoding": "gzip, *;q=0"}
        answer = await client.get("/nowhere", headers=gzip_alone)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.json()["status"] == 404


@pytest.mark.parametrize(
    ("header", "gzip", "plain"),
    [
        ("", False, True),
        ("gzip", True, True),
        ("GZip", True, True),
        ("x-gzip", True, True),
        ("br, gzip;q=0.8, *;q=0.1", True, True),
        ("gzip ; q=1.000", True, True),
        ("gzip;q=0", False, True),
        ("gzip;q=0.000", False, True),
        ("gzip;q=0, *", False, True),
        ("*", True, True),
        ("*;q=0", False, False),
        ("identity", False, True),
        ("identity, *;q=0", False, True),
        ("gzip;q=0.5, identity", False, True),
        ("gzip;q=0.5, identity;q=0.4", True, True),
        ("gzip;q=0.1, identity;q=0", True, False),
        ("gzip, *;q=0", True, False),
        ("identity;q=0", False, False),
        ("gzip;q=2", False, True),
        ("gzip;q=-1", False, True),
        ("gzip;q=nan", False, True),
        ("gzip;level=9", False, True),
        ("notgzip, gzip2", False, True),
        (",, ,gzip,", True, True),
    ],
)
def test_what_a_client_takes_is_read(header: str, gzip: bool, plain: bool) -> None:  # noqa: FBT001
    assert accepted(header.encode()) == (gzip, plain)
