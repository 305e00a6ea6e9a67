"""The page on testing: its examples pass, and pass our linter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.elsewhere import ROOT, TESTING, write_files

EXAMPLES = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, in a folder of their own."""
    path = tmp_path_factory.mktemp("page")
    assert len(write_files(path, TESTING)) == 1 + EXAMPLES
    (path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    shutil.copy(ROOT / "pyproject.toml", path)
    return path


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_five_examples_pass(folder: Path) -> None:
    assert f"{EXAMPLES} passed" in run(folder, "pytest", "-q", "-p", "no:cacheprovider", ".")


def test_its_code_passes_our_linter(folder: Path) -> None:
    run(folder, "ruff", "format", "--check", ".")
    run(folder, "ruff", "check", "--ignore", "D100,D103,S101,PLR2004,INP001,I001", ".")
