"""`make chaos` in the background ends when it is told to, and leaves nothing running."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import eventually
from tests.servers.rabbitmq_node import find_scripts

ROOT = Path(__file__).parents[2]
# As a shell does with what it starts in the background.
IGNORING_SIGINT = """trap "" INT; exec "$@" """


def stat(process: Path) -> list[str]:
    """The fields of a process from its state on, none if it has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def living() -> dict[int, tuple[int, str]]:
    """All processes by id, with their parent and the time of their start."""
    found = {int(each.name): stat(each) for each in Path("/proc").glob("[0-9]*")}
    return {
        pid: (int(fields[1]), fields[19])
        for pid, fields in found.items()
        if fields and fields[0] != "Z"
    }


def descendants(ancestor: int) -> dict[int, str]:
    """What a process started and what that started, with the time of its start."""
    processes = living()
    family = {ancestor: processes[ancestor][1]}
    while True:
        born = {
            pid: start
            for pid, (parent, start) in processes.items()
            if parent in family and pid not in family
        }
        if not born:
            return family
        family |= born


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif(find_scripts() is None, reason="chaos needs RabbitMQ as a program")
def test_chaos_in_the_background_ends_all_that_it_started() -> None:
    with subprocess.Popen(
        ["sh", "-c", IGNORING_SIGINT, "sh", sys.executable, "-m", "chaos", "--minutes", "5"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as chaos:
        assert chaos.stdout is not None
        told = next(line for line in chaos.stdout if line.startswith("logs are in "))
        folder = Path(told.removeprefix("logs are in ").strip())
        eventually("all programs run", (folder / "notifier-api-1.log").exists, within=60)
        family = descendants(chaos.pid)
        chaos.send_signal(signal.SIGTERM)
        chaos.communicate(timeout=60)
    shutil.rmtree(folder)
    assert len(family) > len({"chaos", "PostgreSQL", "RabbitMQ", "epmd", "the nursery"})
    left = {pid: start for pid, (_, start) in living().items() if family.get(pid) == start}
    assert left == {}
    assert chaos.returncode != 0
