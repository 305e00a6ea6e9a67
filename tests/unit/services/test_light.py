"""A program loads what its role needs: most of its start, and a third of its memory, is that."""

import subprocess
import sys

import pytest

OPEN = """
import sys
from heliograph.logging import configure
from pydantic import SecretStr
from heliograph.bus import MemoryBus
from services.{name}.service import {service}
from services.{name}.settings import {service}Settings
import heliograph.cli, heliograph.service

settings = {service}Settings(
    database_url="sqlite+aiosqlite:///{folder}/x.db", {images}
    secret_key=SecretStr("a-key-that-is-only-good-for-tests"),
)
service = {service}(settings, MemoryBus())
service.app(["{role}"])
service.parts(["{role}"])
print(*sys.modules)
"""


NEEDED = {"notifier": {"jinja2"}}
"""Emails are written from templates."""


def loaded(program: str) -> set[str]:
    """The modules that a program has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "service", "role"),
    [
        ("catalog", "Catalog", "relay"),
        ("catalog", "Catalog", "work"),
        ("notifier", "Notifier", "work"),
        ("console", "Console", "work"),
    ],
)
def test_who_serves_no_api_loads_none(
    name: str, service: str, role: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(role)
    images = "" if name == "console" else f'image_store_url="file://{folder}/images",'
    program = OPEN.format(name=name, service=service, role=role, folder=folder, images=images)
    modules = loaded(program)
    assert "heliograph.http.plain" in modules
    heavy = {"fastapi", "PIL", "alembic", "jwt", "rich", "jinja2"} - NEEDED.get(name, set())
    assert modules & {*heavy, f"services.{name}.api"} == set()


def test_who_serves_an_api_loads_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("api")
    images = f'image_store_url="file://{folder}/images",'
    program = OPEN.format(
        name="catalog", service="Catalog", role="api", folder=folder, images=images
    )
    modules = loaded(program)
    assert {"fastapi", "services.catalog.api"} <= modules
    # Pictures are developed by processes of their own.
    assert "services.catalog.images.darkroom" in modules
    assert modules & {"alembic", "rich", "PIL"} == set()


@pytest.mark.parametrize(
    ("command", "needless"),
    [("--help", {"pydantic"}), ("token --subject me --scope catalog:read", set())],
)
def test_a_command_that_needs_no_database_loads_none(command: str, needless: set[str]) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['x', *{command.split()}]\n"
        "try:\n"
        "    runpy.run_module('services.catalog', run_name='__main__')\n"
        "except SystemExit:\n"
        "    print()\n"
        "    print(*sys.modules)\n"
    )
    modules = loaded(program)
    assert "typer" in modules
    assert modules & {"sqlalchemy", "fastapi", "structlog", "rich.console", *needless} == set()
