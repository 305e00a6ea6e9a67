"""Each bound of `Limits`, over a socket: uvicorn promises nothing of what it takes."""

import asyncio
import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from heliograph.http import Metrics, Watched, answer_http_error
from heliograph.http import body as bodies
from heliograph.service.http_limits import Limits
from tests.served import client, served

GET = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
MIB = 1024 * 1024
QUICK = Limits(header_s=0.5, idle_s=0.5, write_s=1, linger_s=1)


async def quick(request: Request) -> Response:
    return PlainTextResponse("quick")


async def count(request: Request) -> Response:
    return JSONResponse(len(await request.body()))


async def headers(request: Request) -> Response:
    await request.body()
    return JSONResponse(dict(request.headers))


async def large(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield bytes(64 * 1024)

    return StreamingResponse(chunks(), headers={"content-length": str(1000 * 64 * 1024)})


def application() -> ASGIApp:
    release = asyncio.Event()

    async def held(request: Request) -> Response:
        await release.wait()
        return PlainTextResponse("held")

    async def let_go(request: Request) -> Response:
        release.set()
        return PlainTextResponse("released")

    routes = [
        Route("/quick", quick),
        Route("/large", large),
        Route("/held", held),
        Route("/release", let_go),
        Route("/count", count, methods=["POST"]),
        Route("/headers", headers, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={Exception: answer_http_error})
    app.add_exception_handler(404, answer_http_error)
    app.add_exception_handler(408, answer_http_error)
    app.add_exception_handler(413, answer_http_error)
    return Watched(app, Metrics())


@pytest.fixture
def port() -> Iterator[int]:
    with served(application()) as number:
        yield number


@pytest.fixture
def hasty() -> Iterator[int]:
    """A server that waits for nobody."""
    with served(application(), QUICK) as number:
        yield number


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode() + body


def assert_is_well(port: int) -> None:
    with client(port) as honest:
        assert honest.ask(GET).body == b"quick"


# Sizes


@pytest.mark.parametrize(
    ("begin", "more", "problem"),
    [
        (b"GET /", b"a" * 65536, "url-too-long"),
        (b"GET /quick HTTP/1.1\r\nX: ", b"a" * 65536, "headers-too-large"),
        (b"GET /quick HTTP/1.1\r\n", b"a" * 65536, "headers-too-large"),
        (b"GET /quick HTTP/1.1\r\n", b"X: 1\r\n" * 10_000, "headers-too-large"),
        (b"G", b"G" * 65536, "malformed"),
        (b"\x16\x03\x01\x02\x00\x01", b"\x00" * 65536, "malformed"),
    ],
)
def test_what_never_ends_is_refused_early_and_the_refusal_can_be_read(
    port: int, begin: bytes, more: bytes, problem: str
) -> None:
    with client(port) as stranger:
        stranger.send(begin)
        for _ in range(24):
            # Written to the end, as many clients do before they read.
            stranger.send(more)
        answer = stranger.answer()
        assert answer.problem == problem
        assert answer.headers["connection"] == "close"
        assert {"date", "x-content-type-options"} <= answer.headers.keys()
        assert stranger.is_closed()
    assert_is_well(port)


def test_who_does_not_end_its_headers_behind_a_refusal_is_cut_off(port: int) -> None:
    with client(port) as stranger, pytest.raises(ConnectionError):
        stranger.send(b"GET /" + b"a" * 65536 * 160)
    assert_is_well(port)


def test_what_is_within_the_bounds_is_answered(port: int) -> None:
    with client(port) as honest:
        url = b"GET /quick?" + b"a" * (8 * 1024 - 7) + b" HTTP/1.1\r\n"
        assert honest.ask(url + b"Host: x\r\n\r\n").status == 200
        large = b"X: " + b"a" * (32 * 1024 - 10) + b"\r\n"
        assert honest.ask(b"GET /quick HTTP/1.1\r\nHost: x\r\n" + large + b"\r\n").status == 200
        many = b"X: 1\r\n" * 99
        assert honest.ask(b"GET /quick HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n").status == 200
    for wrong in (
        url.replace(b"?", b"?a") + b"Host: x\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\n" + large.replace(b"X", b"X" * 10) + b"\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nY: 1\r\n" + many + b"\r\n",
    ):
        with client(port) as stranger:
            assert stranger.ask(wrong).status in {414, 431}


def test_a_header_in_many_pieces_is_still_one(port: int) -> None:
    pieces = [b"X: %d\r\n" % number + b"Y: " + b"y" * 900 + b"\r\n" for number in range(30)]
    with client(port) as honest:
        honest.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"GET /qu", b"ick HTTP/1.1\r\nHo", b"st: x\r\n", *pieces, b"\r", b"\n"):
            honest.send(piece)
            threading.Event().wait(0.005)
        assert honest.answer().body == b"quick"


def test_a_flood_of_pipelined_requests_is_cut_and_the_first_are_answered(port: int) -> None:
    with client(port) as flood:
        flood.send(GET * 5)
        assert [flood.answer().status for _ in range(5)] == [200] * 5
        flood.send(GET * 5000)
        answered = 0
        with contextlib.suppress(EOFError, ConnectionResetError):
            while flood.answer().status == 200:
                answered += 1
        assert 1 <= answered <= 10
    assert_is_well(port)


# Bodies


def test_a_body_is_read_in_whatever_chunks(port: int) -> None:
    with client(port) as honest:
        line = b"14\r\n" + b"x" * 20 + b"\r\n"
        chunked = post("/count", "Transfer-Encoding: chunked", body=line * 30_000 + b"0\r\n\r\n")
        assert honest.ask(chunked).body == b"600000"
        assert honest.ask(GET).body == b"quick"


@pytest.mark.parametrize(
    "chunk",
    [
        b"1\r\nx\r\n",
        b"1;" + b"e" * 10_000 + b"\r\nx\r\n",
        b"0\r\n" + b"X: " + b"t" * 100_000,
        b"0\r\n" + b"X: 1\r\n" * 50_000,
        b"5;bad\x00",
    ],
)
def test_chunks_that_are_mostly_framing_are_refused(port: int, chunk: bytes) -> None:
    with client(port) as stranger:
        stranger.send(post("/count", "Transfer-Encoding: chunked"))
        for _ in range(1_000_000 // len(chunk) + 1):
            stranger.send(chunk)
        assert stranger.answer().problem == "malformed"
        assert stranger.is_closed()


def test_a_trailer_is_no_header(port: int) -> None:
    with client(port) as honest:
        trailer = b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
        answer = honest.ask(post("/headers", "Transfer-Encoding: chunked", body=trailer))
        assert b"authorization" not in answer.body
        assert honest.ask(GET).body == b"quick"


def test_a_body_without_end_is_413_and_only_so_much_of_it_is_read(port: int) -> None:
    with client(port) as stranger:
        stranger.send(post("/count", "Transfer-Encoding: chunked"))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 512 * MIB:
                stranger.send(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        assert sent < 128 * MIB
    assert_is_well(port)


def test_a_body_that_is_declared_too_large_is_never_asked_for(port: int) -> None:
    with client(port) as honest:
        answer = honest.ask(post("/count", "Content-Length: 1048577", "Expect: 100-continue"))
        assert answer.problem == "too-large"
        assert honest.is_closed()
    with client(port) as honest:
        honest.send(post("/count", "Content-Length: 3", "Expect: 100-continue"))
        assert honest.answer().status == 100
        assert honest.ask(b"abc").body == b"3"


@pytest.mark.parametrize("path", ["/count", "/nowhere", "/quick"])
def test_who_writes_all_before_reading_gets_an_answer(port: int, path: str) -> None:
    body = bytes(20 * MIB)
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, method="POST")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310 - of our own
    wanted = {"/count": 413, "/nowhere": 404, "/quick": 405}[path]
    with raised.value as answer:
        assert answer.code == wanted
        assert answer.headers["connection"] == "close"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, iter([body]), encode_chunked=True)
    assert connection.getresponse().status == wanted
    connection.close()


def test_an_answer_to_a_whole_request_keeps_its_connection(port: int) -> None:
    with client(port) as honest:
        answer = honest.ask(post("/nowhere", "Content-Length: 3", body=b"abc"))
        assert answer.status == 404
        assert "connection" not in answer.headers
        assert honest.ask(GET).body == b"quick"


# Times


def test_who_sends_no_request_is_left(hasty: int) -> None:
    with client(hasty) as silent, client(hasty) as slow, client(hasty) as idle:
        slow.send(b"GET /quick HTTP/1.1\r\nX: ")
        assert idle.ask(GET).status == 200
        assert silent.is_closed()
        assert slow.answer().problem == "too-slow"
        assert slow.is_closed()
        assert idle.is_closed()


@pytest.mark.parametrize(("begin", "drop"), [(b"", b"\r\n"), (b"GET / HTTP/1.1\r\n", b"X: y\r\n")])
def test_a_drop_now_and_then_does_not_keep_a_connection(
    hasty: int, begin: bytes, drop: bytes
) -> None:
    with client(hasty) as stranger:
        stranger.ask(GET)
        stranger.send(begin)
        drops = 0
        with contextlib.suppress(ConnectionError):
            while not stranger.has_been_told_within(0.05):
                stranger.send(drop)
                drops += 1
        assert 1 <= drops < 40


def test_a_request_may_take_as_long_as_its_answer_does(hasty: int) -> None:
    with client(hasty) as patient, client(hasty) as other:
        patient.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert other.is_closed()
        with client(hasty) as third:
            assert third.ask(GET.replace(b"quick", b"release")).status == 200
        assert patient.answer().body == b"held"


def test_a_body_that_stalls_is_408_and_one_that_is_slow_is_taken(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "RATE_S", 0.6)
    monkeypatch.setattr(bodies, "RATE_BYTES", 100)
    with client(port) as stalls, client(port) as drips, client(port) as slow:
        stalls.send(post("/count", "Content-Length: 100000", body=bytes(99_999)))
        drips.send(post("/count", "Content-Length: 1000"))
        slow.send(post("/count", "Content-Length: 1000"))
        for _ in range(20):
            # At once: 1.2 seconds in all, two of the windows.
            with contextlib.suppress(ConnectionError):
                drips.send(b"x")
            slow.send(bytes(50))
            threading.Event().wait(0.06)
        assert slow.answer().body == b"1000"
        assert drips.answer().problem == "too-slow"
        assert stalls.answer().problem == "too-slow"
        assert stalls.is_closed()


def test_who_does_not_read_its_answer_is_left_and_who_reads_slowly_is_not(hasty: int) -> None:
    with client(hasty, receive_buffer=4096) as never, client(hasty) as slow:
        for each in (never, slow):
            each.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        read = 0
        while read < 64 * 1000 * 1024:
            # Some 2.5 seconds in all.
            read += len(slow.socket.recv(MIB))
            threading.Event().wait(0.02)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while got := never.socket.recv(MIB):
                taken += len(got)
        assert taken < 64 * 1000 * 1024


def test_what_does_not_fit_into_the_clients_buffers_does_not_hold_a_closing_connection(
    hasty: int,
) -> None:
    with client(hasty, receive_buffer=4096) as stranger:
        stranger.send(b"GET /large HTTP/1.0\r\n\r\n")
        stranger.socket.shutdown(socket.SHUT_WR)
        threading.Event().wait(2.5)
        with contextlib.suppress(ConnectionError):
            while stranger.socket.recv(MIB):
                pass
    assert_is_well(hasty)


# Places


@pytest.fixture
def narrow() -> Iterator[int]:
    """A server with five places."""
    with served(application(), replace(Limits(), connections=5)) as number:
        yield number


def test_who_waits_without_a_request_gives_its_place_to_the_next(narrow: int) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(client(narrow)) for _ in range(20)]
        assert_is_well(narrow)
        assert all(each.is_closed() for each in idle[:15])
        assert idle[-1].ask(GET).status == 200


def test_when_all_are_served_the_next_is_told_to_come_again(narrow: int) -> None:
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(client(narrow)) for _ in range(5)]
        for each in busy:
            each.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        turned_away = stack.enter_context(client(narrow))
        answer = turned_away.answer()
        assert answer.problem == "busy"
        assert answer.headers["retry-after"] == "1"
        assert turned_away.is_closed()
        busy[0].close()
        with client(narrow) as honest:
            assert honest.ask(GET.replace(b"quick", b"release")).status == 200
        assert [each.answer().body for each in busy[1:]] == [b"held"] * 4


# Protocols


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
def test_an_upgrade_is_answered_in_http_1_1_and_the_connection_ends(
    port: int, upgrade: str
) -> None:
    upgrading = ("Connection: Upgrade", f"Upgrade: {upgrade}")
    with client(port) as stranger:
        answer = stranger.ask(
            post("/count", *upgrading, "Content-Length: 37").replace(b"POST /count", b"GET /quick")
            # No request of its own.
            + GET
        )
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert stranger.is_closed()


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/3.9\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick HTTP/1.1\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /quick HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"POST /count HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /count HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /count HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ],
)
def test_what_is_no_sound_request_is_refused(port: int, request_: bytes) -> None:
    with client(port) as stranger:
        assert stranger.ask(request_).status in {400, 404}
        assert stranger.is_closed()
    assert_is_well(port)


@pytest.mark.parametrize(
    "host", [b"", b"x", b"shop.example:8000", b"[::1]:80", b"10.0.0.1", b"a_b"]
)
def test_a_host_of_any_sort_is_answered(port: int, host: bytes) -> None:
    with client(port) as guest:
        assert guest.ask(b"GET /quick HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == 200


def test_http_1_0_is_answered_and_closed(port: int) -> None:
    with client(port) as old:
        answer = old.ask(b"GET /quick HTTP/1.0\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"quick")
        assert old.is_closed()


def test_nonsense_behind_a_request_does_not_answer_in_its_place(port: int) -> None:
    with client(port) as stranger:
        stranger.send(GET.replace(b"quick", b"held") + b"\x00\x01nonsense\r\n\r\n")
        with client(port) as other:
            assert other.ask(GET.replace(b"quick", b"release")).status == 200
        assert stranger.answer().body == b"held"
        assert stranger.is_closed()


# The end of the server


def test_connections_do_not_keep_a_server_from_stopping() -> None:
    with contextlib.ExitStack() as stack:
        with served(application()) as port:
            opened = [stack.enter_context(client(port)) for _ in range(3)]
            opened[0].send(b"GET /")
            opened[1].ask(post("/count", "Content-Length: 9999999"))
        assert all(each.is_closed() for each in opened)
