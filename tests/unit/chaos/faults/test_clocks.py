"""A program's wall clock jumps while it runs, and no other clock does."""

import subprocess
import sys

import pytest

JUMP = """
import time
from datetime import UTC, datetime
from chaos.faults import clocks
import heliograph.tokens as ours

now = 0.0
time.monotonic = lambda: now
clocks.shift(float({seconds}))
read = lambda: (time.time(), ours.datetime.now(UTC).timestamp(), datetime.now(UTC).timestamp())
before = read()
now += clocks.JUMPS_AFTER_S + 1
print(*(round(after - earlier, -1) for earlier, after in zip(before, read())))
"""


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_jumps_for_our_code_only(seconds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JUMP.format(seconds=seconds)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert [float(each) for each in done.stdout.split()] == [seconds, seconds, 0]
