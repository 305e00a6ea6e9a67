import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from heliograph import InvalidSetting, crash
from services.catalog.service import Catalog
from services.notifier.service import Notifier

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("folder", "points"),
    [
        ("shared/heliograph", crash.POINTS),
        ("services/catalog", Catalog.crash_points),
        ("services/notifier", Notifier.crash_points),
    ],
)
def test_the_table_and_the_code_have_the_same_points(
    folder: str, points: Mapping[str, str]
) -> None:
    code = [path.read_text() for path in (ROOT / folder).rglob("*.py")]
    found = re.findall(r'crash_point\("([^"]+)"\)', "".join(code))
    assert set(found) == set(points)


def test_without_the_variable_nothing_is_armed() -> None:
    crash.arm({})
    assert crash.fuse is None
    crash.crash_point("relay.after_claim")


@pytest.mark.parametrize("wish", ["", "relay", "relay.after_claim:0", "relay.after_claim:x"])
def test_a_wrong_wish_is_refused_at_the_start(wish: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^HELIOGRAPH_CRASH_AT: "):
        crash.arm({crash.VARIABLE: wish})


def test_the_process_dies_at_the_pass_that_was_asked_for() -> None:
    program = (
        "import os; from heliograph import crash; crash.arm(os.environ)\n"
        "for number in range(5):\n"
        "    print(number, flush=True)\n"
        "    crash.crash_point('relay.after_write')\n"
        "    crash.crash_point('relay.after_claim')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={crash.VARIABLE: "relay.after_claim:3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["0", "1", "2"]
