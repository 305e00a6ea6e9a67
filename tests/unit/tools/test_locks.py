import re
from pathlib import Path

import pytest

from tools.locks import REQUIREMENTS

LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+)", re.MULTILINE)


def pins(lock: Path) -> set[tuple[str, str]]:
    return set(PIN.findall(lock.read_text()))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_hashes_every_pin_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()

    assert "://" not in text
    for entry in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("name", ["catalog", "notifier", "dev"])
def test_images_and_tests_meet_the_releases_that_make_run_meets(name: str) -> None:
    run = pins(REQUIREMENTS / "run.txt")
    known = {package for package, _ in run}

    assert {pin for pin in pins(REQUIREMENTS / f"{name}.txt") if pin[0] in known} <= run
