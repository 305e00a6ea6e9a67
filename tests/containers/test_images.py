import json
from pathlib import Path
from typing import Any

import pytest

from tests.containers.composed import OURS, Composed
from tests.containers.faults import Note
from tests.elsewhere import build_wheel, write_files
from tools.stack import StackError, docker

BASE = "python:3.13-slim"
MOST_MB = 120
CENSUS = "heliograph-test-census"
THEIRS = ("postgres", "rabbitmq", "seaweedfs", "mailpit")
TEN = 10


@pytest.mark.parametrize("service", ["catalog", "notifier", "console"])
def test_an_image_is_small_and_holds_one_service(stack: Composed, note: Note, service: str) -> None:
    sizes = [inspect(image)["Size"] / 1e6 for image in (BASE, f"heliograph-{service}")]
    note(f"heliograph-{service} on top of {BASE}", f"{sizes[1] - sizes[0]:.0f} MB")
    assert sizes[1] - sizes[0] < MOST_MB
    [container] = stack.ids(service)
    assert docker("exec", container, "ls", "/app/services").split() == [service, "starting.py"]


@pytest.mark.parametrize("service", OURS)
def test_a_container_may_do_little(stack: Composed, service: str) -> None:
    [container] = stack.ids(service)
    found = inspect(container)
    assert found["Config"]["User"] == "10001:10001"
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    status = docker("exec", container, "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("service", THEIRS)
def test_a_container_of_others_may_do_little_more(stack: Composed, service: str) -> None:
    [container] = stack.ids(service)
    host = inspect(container)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    # Whatever it needed to become another user, what serves has none of it.
    if service in {"postgres", "rabbitmq", "mailpit"}:
        status = served_by(container)
        assert "CapEff:\t0000000000000000" in status
        assert "Uid:\t0\t" not in status
        assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("service", [*OURS, *THEIRS])
def test_a_container_has_limits_of_memory_and_processes(stack: Composed, service: str) -> None:
    [container] = stack.ids(service)
    host = inspect(container)["HostConfig"]
    assert 0 < host["Memory"] <= 2 * 1024**3
    assert 0 < host["PidsLimit"] <= 1024


@pytest.mark.parametrize("service", [*OURS, *THEIRS])
def test_no_process_is_called_with_a_secret(stack: Composed, service: str) -> None:
    [container] = stack.ids(service)
    called = docker("top", container, "-eo", "pid,args")
    assert [each for each in stack.secrets if each in called] == []


@pytest.mark.usefixtures("stack")
def test_a_service_elsewhere_has_an_image_of_ten_lines(tmp_path: Path, note: Note) -> None:
    build_wheel(tmp_path)
    assert "Dockerfile" in write_files(tmp_path)
    assert len((tmp_path / "Dockerfile").read_text().splitlines()) <= TEN
    try:
        docker("build", "--tag", CENSUS, str(tmp_path))
        added = (inspect(CENSUS)["Size"] - inspect(BASE)["Size"]) / 1e6
        note(f"a service elsewhere on top of {BASE}", f"{added:.0f} MB")
        assert "Run and look after the census" in docker("run", "--rm", CENSUS, "--help")
        with pytest.raises(StackError, match="CENSUS_BUS_URL: is memory://"):
            docker("run", "--rm", CENSUS)
    finally:
        docker("image", "rm", "--force", CENSUS)


def served_by(container: str) -> str:
    """The status of the process that `init` started, which is what serves."""
    read = "read served others </proc/1/task/1/children; cat /proc/$served/status"
    return docker("exec", container, "sh", "-c", read)


def inspect(name: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", name))
    return dict(found)
