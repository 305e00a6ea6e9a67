"""The README, done as it stands there."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from heliograph.settings import DEVELOPMENT_KEY
from heliograph.tokens import Tokens
from tests.programs import ROOT, Program, embedded, eventually
from tests.readme import add_receiver, block


def test_the_story_with_curl(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with embedded(tmp_path) as running:
        story = (
            block("story")
            .replace("http://127.0.0.1:8000", running.catalog)
            .replace("http://127.0.0.1:8001", running.notifier)
        )
        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", story],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        [views] = re.findall(r'\{"count":.*\}', told.stdout)
        assert '"count":1' in views
        assert '"viewer":"me"' in views
        listed = re.findall(r"^[0-9a-f]{32}\.jpg$", told.stdout, re.MULTILINE)
        assert len(listed) == 3, "the picture and its two smaller copies, once and never again"
        eventually("two emails", lambda: len(list((tmp_path / "var/mail").glob("*.eml"))) == 2)
        assert not [each for each in (tmp_path / "var/images").rglob("*") if each.is_file()]
        assert running.program.end(signal.SIGTERM) == 0
    left = {each.name for each in tmp_path.iterdir() if each.suffix != ".log"}
    assert left == {".venv", "var"}, "what git ignores"


def test_a_reaction_is_one_function(tmp_path: Path) -> None:
    for package in ("shared", "services"):
        shutil.copytree(ROOT / package, tmp_path / package)
    add_receiver(tmp_path / "services")
    program = Program(
        tmp_path,
        "services",
        "--port",
        "0",
        settings={"PYTHONPATH": f"{tmp_path}:{tmp_path / 'shared'}"},
    )
    try:
        catalog = program.wait_for(r"^catalog +(\S+)$")
        token = Tokens(DEVELOPMENT_KEY, "catalog").issue("user-7", ["catalog:write"])
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as client:
            lamp = {"sku": "L", "name": "Desk lamp", "price": "1.00", "currency": "EUR"}
            created = client.post(f"{catalog}/v1/products", json=lamp)
            assert client.delete(created.json()["url"]).status_code == 204
        farewell = program.wait_for(r'\{.*"event": "a product is gone".*\}')
        assert '"name": "Desk lamp"' in farewell
        assert '"by": "user-7"' in farewell
    finally:
        program.stop(signal.SIGKILL)
