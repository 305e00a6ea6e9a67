import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from heliograph.errors import InvalidSetting
from heliograph.service.parts import (
    CannotListen,
    HttpServer,
    PartFailed,
    PortBusy,
    bind,
    main_with_uvloop,
    run_parts,
)


class Step:
    """A part that does what it is told."""

    def __init__(self, name: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self.name = name
        self._work = work

    async def run(self, stopping: asyncio.Event) -> None:
        await self._work(stopping)


def stop(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_every_part_finish_what_is_under_way(number: signal.Signals) -> None:
    finished = []

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        await asyncio.sleep(0)
        finished.append("work")

    async def killer(stopping: asyncio.Event) -> None:
        stop(number)
        await stopping.wait()
        finished.append("killer")

    await run_parts([Step("work", work), Step("killer", killer)])
    assert sorted(finished) == ["killer", "work"]


async def test_the_garbage_collector_spares_what_was_there_before_the_parts() -> None:
    spared = []

    async def work(stopping: asyncio.Event) -> None:
        spared.append(gc.get_freeze_count())
        stop()
        await stopping.wait()

    await run_parts([Step("work", work)])

    assert spared[0] > 10_000
    assert gc.get_freeze_count() == 0


async def test_a_part_that_fails_stops_the_others_and_the_program() -> None:
    finished = []

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        finished.append("work")

    async def fail(stopping: asyncio.Event) -> None:
        raise OSError("gone")

    with pytest.raises(PartFailed, match="relay"):
        await run_parts([Step("work", work), Step("relay", fail)])
    assert finished == ["work"]


async def test_a_part_that_ends_on_its_own_stops_the_program() -> None:
    async def end(stopping: asyncio.Event) -> None:
        return None

    with pytest.raises(PartFailed, match="relay"):
        await run_parts([Step("relay", end)])


async def test_a_part_that_does_not_finish_is_cancelled_after_the_grace() -> None:
    cancelled = asyncio.Event()

    async def hang(stopping: asyncio.Event) -> None:
        stop()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with asyncio.timeout(5):
        await run_parts([Step("hang", hang)], grace=0.01)
    assert cancelled.is_set()


async def test_a_second_interrupt_cancels_at_once() -> None:
    async def hang(stopping: asyncio.Event) -> None:
        stop(signal.SIGINT)
        await stopping.wait()
        stop(signal.SIGINT)
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await run_parts([Step("hang", hang)], grace=60)


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

    async def client(stopping: asyncio.Event) -> None:
        await server.ready.wait()
        url = f"http://127.0.0.1:{server.port}/slow"
        async with httpx2.AsyncClient() as client:
            request = asyncio.create_task(client.get(url))
            await entered.wait()
            stop()
            await stopping.wait()
            leave.set()
            answer = await request
        assert answer.json() == "done"
        assert "server" not in answer.headers

    async with asyncio.timeout(20):
        await run_parts([server, Step("client", client)])
    assert lives == ["started", "stopped"]


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


def test_a_server_can_listen_on_ipv6() -> None:
    try:
        with bind("::1", 0) as listener:
            assert listener.family == socket.AF_INET6
    except CannotListen:
        pytest.skip("this machine has no IPv6")


def test_what_keeps_a_program_from_starting_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        raise InvalidSetting("CATALOG_X: is not a setting")

    with pytest.raises(SystemExit) as caught:
        main_with_uvloop(main())
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: CATALOG_X: is not a setting\n"


PROGRAM = """
import asyncio
from heliograph.service.parts import main_with_uvloop, run_parts

class Relay:
    name = "relay"
    async def run(self, stopping):
        print("started", flush=True)
        {body}

main_with_uvloop(run_parts([Relay()]))
"""


@pytest.mark.parametrize(
    ("body", "code"), [("await stopping.wait()", 0), ("raise OSError('gone')", 1)]
)
def test_the_exit_code_tells_a_stop_from_a_failure(body: str, code: int) -> None:
    program = [sys.executable, "-c", PROGRAM.format(body=body)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "started\n"
        if code == 0:
            running.terminate()
        assert running.wait(timeout=20) == code
