import json
from typing import Any

import pytest

from tests.containers.composed import OURS, Composed
from tests.containers.faults import Note
from tools.stack import docker

BASE = "python:3.13-slim"
MOST_MB = 120


@pytest.mark.parametrize("service", ["catalog", "notifier"])
def test_an_image_is_small_and_holds_one_service(stack: Composed, note: Note, service: str) -> None:
    sizes = [inspect(image)["Size"] / 1e6 for image in (BASE, f"heliograph-{service}")]
    note(f"heliograph-{service} on top of {BASE}", f"{sizes[1] - sizes[0]:.0f} MB")
    assert sizes[1] - sizes[0] < MOST_MB
    [container] = stack.ids(service)
    assert docker("exec", container, "ls", "/app/services").split() == [service]


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


def inspect(name: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", name))
    return dict(found)
