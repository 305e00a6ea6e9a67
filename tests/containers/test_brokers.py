"""The contract of the bus, on the oldest and the newest RabbitMQ that we support."""

import os
import re
import subprocess
import sys

import pytest

from tests.containers.composed import Composed
from tests.containers.faults import Note
from tests.servers.rabbitmq_container import IMAGE_SETTING
from tools.stack import ROOT

SUITE = "tests/integration/heliograph/bus"


@pytest.mark.parametrize("image", ["rabbitmq:3.10-management", "rabbitmq:4-management"])
def test_the_bus_keeps_its_contract(stack: Composed, note: Note, image: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "rabbitmq", SUITE],
        cwd=ROOT,
        env={**os.environ, IMAGE_SETTING: image, "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    note(f"the bus on {image}", done.stdout.strip().rpartition("\n")[2])
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"Tests on RabbitMQ: [1-9]\d* passed", done.stdout)
