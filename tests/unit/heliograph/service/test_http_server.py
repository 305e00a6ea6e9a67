import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from heliograph.service import CannotListen, HttpServer, PartFailed, PortBusy, bind, run_parts


async def test_a_server_answers_until_it_is_stopped_and_finishes_its_requests() -> None:
    entered, leave, lives = asyncio.Event(), asyncio.Event(), []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        lives.append("started")
        yield
        lives.append("stopped")

    app = FastAPI(lifespan=lifespan)

    @app.get("/slow")
    async def slow() -> str:
        entered.set()
        await leave.wait()
        return "done"

    server = HttpServer(app, bind("127.0.0.1", 0))

    class Client:
        name = "client"

        async def run(self, stopping: asyncio.Event) -> None:
            await server.ready.wait()
            url = f"http://127.0.0.1:{server.port}/slow"
            async with httpx2.AsyncClient() as client:
                request = asyncio.create_task(client.get(url))
                await entered.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                await stopping.wait()
                leave.set()
                answer = await request
            assert answer.json() == "done"
            assert "server" not in answer.headers

    async with asyncio.timeout(20):
        await run_parts([server, Client()])
    assert lives == ["started", "stopped"]


async def test_the_client_is_who_is_connected_whatever_the_headers_say() -> None:
    app = FastAPI()

    @app.get("/")
    async def who(request: Request) -> str:
        return request.client.host if request.client else "nobody"

    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        server = HttpServer(app, bind("127.0.0.1", 0))
        group.create_task(server.run(stopping))
        await server.ready.wait()
        async with httpx2.AsyncClient(headers={"X-Forwarded-For": "192.0.2.1"}) as client:
            answer = await client.get(f"http://127.0.0.1:{server.port}/")
        stopping.set()
    assert answer.json() == "127.0.0.1"


async def test_an_answer_without_an_end_learns_that_its_program_stops() -> None:
    app = FastAPI()

    @app.get("/ticks")
    async def ticks(request: Request) -> StreamingResponse:
        async def tick() -> AsyncIterator[bytes]:
            yield b"tick"
            await request.state.stopping.wait()
            yield b"last"

        return StreamingResponse(tick())

    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        server = HttpServer(app, bind("127.0.0.1", 0))
        group.create_task(server.run(stopping))
        await server.ready.wait()
        url = f"http://127.0.0.1:{server.port}/ticks"
        async with httpx2.AsyncClient() as client, client.stream("GET", url) as response:
            parts = response.aiter_bytes()
            assert await anext(parts) == b"tick"
            stopping.set()
            assert [each async for each in parts] == [b"last"]


async def test_an_application_that_cannot_start_fails_its_program() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise OSError("no database")
        yield

    with pytest.raises(PartFailed):
        await run_parts([HttpServer(FastAPI(lifespan=lifespan), bind("127.0.0.1", 0))])


def test_a_busy_port_is_one_clear_line() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=f"^port {port} is in use: choose another with --port$"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_an_address_that_cannot_be_listened_on_is_named(host: str, port: int) -> None:
    with pytest.raises(CannotListen, match=host if port == 0 else str(port)):
        bind(host, port)


def test_an_answer_in_two_parts_waits_for_no_acknowledgement() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_server_can_listen_on_ipv6() -> None:
    try:
        with bind("::1", 0) as listener:
            assert listener.family == socket.AF_INET6
    except CannotListen:
        pytest.skip("this machine has no IPv6")
