"""The README's code passes the checks that all code here does."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import README, ROOT, add_receiver, block

SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snippets as a reader would put them: in files of their own, or into ours."""
    path = tmp_path_factory.mktemp("readme")
    for name in ("shared", "services"):
        shutil.copytree(ROOT / name, path / name)
    shutil.copy(ROOT / "pyproject.toml", path)
    (path / "tools").mkdir()
    shutil.copy(ROOT / "tools/__init__.py", path / "tools")
    add_receiver(path / "services")
    whole = [each for each in SNIPPETS if each.startswith('"""')]
    assert [each for each in SNIPPETS if each not in whole] == [block("receiver")]
    for number, each in enumerate(whole):
        # Where our own programs print for a terminal, and may.
        (path / f"tools/snippet_{number}.py").write_text(each)
    return path


@pytest.mark.parametrize(
    "check",
    ["ruff format --check", "ruff check", "mypy --no-incremental"],
    ids=["format", "lint", "types"],
)
def test_the_readmes_code_passes_our_checks(folder: Path, check: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check.split(), "tools", "services/notifier/receivers.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
