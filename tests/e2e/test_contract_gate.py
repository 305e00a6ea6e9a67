"""The gate as `make check` runs it, in a copy of the checkout in which somebody renames a field."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph import __version__

ROOT = Path(__file__).parents[2]
COPIED = ("shared", "services", "tools", "docs", "tests/consumers")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy in which the contracts are frozen as they are, as this version's."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.rmtree(tmp_path / "docs/released")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n")
    # The programs that run there leave these behind, and the release would meet them.
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for arguments in (["init"], ["add", "--all"], [*who, "commit", "-m", "Begin"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    released = run(tmp_path, "release", __version__)
    assert released.returncode == 0, released.stderr
    return tmp_path


def run(checkout: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "shared")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_renamed_field_is_caught_though_all_schemas_are_made_anew(checkout: Path) -> None:
    assert run(checkout, "contract_gate").returncode == 0
    contract = checkout / "shared/contracts/product.py"
    source = contract.read_text()
    assert source.count("    sku: Sku\n") == 1
    contract.write_text(source.replace("    sku: Sku\n", "    stock_number: Sku\n"))
    made = run(checkout, "schemas")
    assert made.returncode == 0, made.stderr
    assert (
        '"stock_number"'
        in (checkout / "docs/schemas/catalog.product.post_save.v1.json").read_text()
    )

    caught = run(checkout, "contract_gate")

    assert caught.returncode == 1
    sentences = caught.stderr.splitlines()
    assert (
        f"catalog.product.post_save.v1 breaks readers of {__version__}: "
        "instance.sku is gone, original.sku is gone. Keep them, or announce .v2 beside .v1."
    ) in sentences
    assert (
        "catalog.product.m2m_changed.v1 breaks the consumer warehouse: "
        "instance.sku is gone. Keep it, or announce .v2 beside .v1."
    ) in sentences
    assert not [each for each in sentences if "catalog.category" in each]


def test_a_field_that_is_added_passes(checkout: Path) -> None:
    contract = checkout / "shared/contracts/product.py"
    source = contract.read_text()
    contract.write_text(source.replace("    sku: Sku\n", "    sku: Sku\n    shelf: Sku\n"))
    assert run(checkout, "schemas").returncode == 0

    passed = run(checkout, "contract_gate")

    assert (passed.returncode, passed.stderr) == (0, "")
