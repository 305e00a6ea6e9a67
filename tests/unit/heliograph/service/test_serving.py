import asyncio
import subprocess
import sys

import pytest

from heliograph import BusUnavailable, DatabaseUnavailable, InvalidSetting, MissingExtra
from heliograph.service import patiently, run


class Server:
    """Away for its first calls."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.calls = 0

    async def answer(self) -> str:
        self.calls += 1
        if self._failures:
            raise self._failures.pop(0)
        return "here"


async def test_a_server_that_comes_late_is_waited_for() -> None:
    server = Server(DatabaseUnavailable("away"), BusUnavailable("away"))
    assert await patiently(server.answer, pause=0) == "here"
    assert server.calls == 3


async def test_patience_ends() -> None:
    server = Server(*[DatabaseUnavailable("away")] * 3)
    with pytest.raises(DatabaseUnavailable):
        await patiently(server.answer, patience=0, pause=1)
    assert server.calls == 1


async def test_a_step_that_works_for_longer_than_patience_is_not_late() -> None:
    server = Server(DatabaseUnavailable("away"))

    async def work() -> str:
        await asyncio.sleep(0.05)
        return await server.answer()

    assert await patiently(work, patience=0.04, pause=0.01) == "here"


async def test_what_waiting_cannot_mend_is_not_waited_for() -> None:
    server = Server(InvalidSetting("CATALOG_BUS_URL: is wrong"))
    with pytest.raises(InvalidSetting):
        await patiently(server.answer, pause=0)
    assert server.calls == 1


def test_what_to_set_is_shown_as_it_is_to_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise InvalidSetting("X_BUS_URL: set it to amqp://user:password@host/vhost")

    with pytest.raises(SystemExit):
        run(main())
    assert "amqp://user:password@host/vhost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidSetting("CATALOG_BUS_URL: is wrong"), 2),
        (MissingExtra("asyncpg is not installed: pip install 'heliograph[postgresql]'"), 2),
        (DatabaseUnavailable("no answer\nfrom postgresql://u:secret@db"), 1),
        (PermissionError(13, "Permission denied", "/var/catalog"), 1),
    ],
)
def test_what_stops_a_command_is_told_in_one_line_without_passwords(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(SystemExit) as ended:
        run(fail())
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "secret" not in said


def test_what_keeps_a_program_from_starting_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        raise InvalidSetting("CATALOG_X: is not a setting")

    with pytest.raises(SystemExit) as caught:
        run(main())
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: CATALOG_X: is not a setting\n"


PROGRAM = """
import asyncio
from heliograph.service.parts import run_parts
from heliograph.service.serving import run

class Relay:
    name = "relay"
    async def run(self, stopping):
        print("started", flush=True)
        {body}

run(run_parts([Relay()]))
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
