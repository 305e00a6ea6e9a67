"""The page on a service of another repository, done as it stands, with nothing but the wheel."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from heliograph import post_save
from heliograph.bus import Topology
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.testing import announce
from tests import samples
from tests.elsewhere import ROOT, build_wheel, commands, uv, write_files
from tests.polling import until
from tests.servers.processes import Process


def constraints(folder: Path) -> Path:
    """The releases that our own tests meet, for pip to take no others."""
    pins = re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?(==\S+(?: ; [^\\]+)?) \\$",
        (ROOT / "requirements/dev.txt").read_text(),
        re.MULTILINE,
    )
    path = folder / "constraints.txt"
    path.write_text("".join(f"{name}{version}\n" for name, version in pins))
    return path


class Elsewhere:
    """A folder with an environment of its own, in which this repository is not to be seen."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        # The page's `python3 -m venv`, which a machine without ensurepip does not have, and a pip
        # that takes a tenth of the time.
        uv("venv", "--python", sys.executable, folder / ".venv")
        pip = folder / ".venv/bin/pip"
        pip.write_text(
            "#!/bin/sh\nverb=$1; shift\n"
            f'exec "{sys.executable}" -m uv --quiet pip "$verb" --python "{folder}/.venv" "$@"\n'
        )
        pip.chmod(0o755)
        self.environment = {
            # What an installer needs of this machine, and nothing of where our own code is.
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PATH": f"{folder / '.venv/bin'}:{os.environ['PATH']}",
            "UV_CONSTRAINT": str(constraints(folder)),
        }
        (folder / wheel.name).symlink_to(wheel)

    def run(self, command: str) -> str:
        """Run a line of the page as a shell does; returns what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    async def until_it_prints(self, command: str, pattern: str) -> str:
        """Run a line again and again until it prints what matches; returns what it printed."""

        async def printed() -> str | None:
            try:
                said = await asyncio.to_thread(self.run, command)
            except AssertionError:
                return None
            return said if re.search(pattern, said) else None

        found: str = await until(printed, within=30)
        return found

    @contextmanager
    def program(self, command: str) -> Iterator[int]:
        """Run a line that goes on until it is stopped, on a free port, which is returned."""
        program = Process(
            [*command.split(), "--port", "0"],
            log=self.folder / "program.log",
            env=self.environment,
        )
        try:
            program.wait_until(lambda: '"starting"' in program.log.read_text(), within=60)
            [port] = re.findall(r'"port": (\d+)', program.log.read_text())
            yield int(port)
        finally:
            program.stop()

    def export(self, line: str) -> None:
        """Set a variable as `export` does, for what is run from now on."""
        name = line.partition("=")[0]
        self.environment[name] = self.run(f"export {line}; printf %s ${name}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def census(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Elsewhere:
    """The page's service, installed, written and migrated up to its drafts."""
    elsewhere = Elsewhere(tmp_path_factory.mktemp("elsewhere"), wheel)
    begin = commands("Begin")
    assert begin[0] == "python3 -m venv .venv"
    assert begin[-1] == ". .venv/bin/activate"
    for line in begin[1:-1]:
        elsewhere.run(line)
    assert "census/receivers.py" in write_files(elsewhere.folder)
    for line in commands("Write"):
        elsewhere.run(line)
    return elsewhere


def test_its_tests_pass_on_sqlite_and_the_memory_bus(census: Elsewhere) -> None:
    [pytest_] = commands("Test")
    assert "1 passed" in census.run(pytest_)


async def test_it_hears_the_catalog_over_rabbitmq_and_keeps_what_it_heard_in_postgresql(
    census: Elsewhere, amqp_url: str, postgres_url: str
) -> None:
    own = {
        "postgresql+asyncpg://census:password@localhost/census": postgres_url,
        "amqp://census:password@localhost/": amqp_url,
    }
    *exports, migrate, serve, ready, status = commands("Run")
    for line in exports:
        for stand_in, ours in own.items():
            line = line.replace(stand_in, ours)  # noqa: PLW2901 - what a reader does
        census.export(line.removeprefix("export "))
    lamp = samples.product()
    bus = RabbitBus(amqp_url)
    try:
        # As the catalog's `migrate` does.
        await bus.declare(Topology(exchanges=("catalog.events",)))
        census.run(migrate)
        with census.program(serve) as port:
            ready = ready.replace("8010", str(port))
            assert '"status":"ok"' in await census.until_it_prints(ready, "ok")
            await announce(bus, post_save, lamp, created=True)
            await announce(bus, post_save, lamp, created=False, version=2)
            said = await census.until_it_prints(status, r"count_product +done +2")
        assert "count_product" in said
    finally:
        await bus.close()
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        days = [tuple(row) for row in await connection.fetch("SELECT day, products FROM day")]
    finally:
        await connection.close()
    assert days == [(lamp.created_at.date(), 1)]


def test_what_the_page_writes_passes_the_checks_of_its_own_and_ours(census: Elsewhere) -> None:
    [drafted] = (census.folder / "census/migrations/versions").glob("*.py")
    assert "op.create_table" in drafted.read_text()
    for line in commands("Check"):
        census.run(line)
    ours = ROOT / "pyproject.toml"
    census.run(f"ruff format --check --config {ours} .")
    census.run(f"ruff check --config {ours} .")
    census.run(f"mypy --config-file {ours} census tests")


def test_the_wheel_alone_has_the_words_and_names_the_extra_that_is_missing(
    tmp_path: Path, wheel: Path
) -> None:
    bare = Elsewhere(tmp_path, wheel)
    bare.run(f"pip install ./{wheel.name}")
    installed = bare.run("pip list --format freeze").lower()
    for brought in ("fastapi", "pillow", "aiormq", "asyncpg", "aiosqlite", "obstore", "alembic"):
        assert f"{brought}==" not in installed
    words = "import heliograph; print(*(getattr(heliograph, each) for each in heliograph.__all__))"
    assert "<Signal pre_save>" in bare.run(f"python -c '{words}'")
    for use, extra in {
        "import heliograph.service": "service",
        "import heliograph.web": "service",
        "import heliograph.cli": "service",
        "import heliograph.testing": "service",
        "import heliograph.bus.rabbitmq": "rabbitmq",
        'from heliograph.bus import bus_from_url; bus_from_url("amqp://here")': "rabbitmq",
        'from heliograph.storage import image_store; image_store("file:///tmp/x")': "storage",
        'from heliograph.database import Database; Database("postgresql+asyncpg://here/x")': (
            "postgresql"
        ),
        'from heliograph.database import Database; Database("sqlite+aiosqlite:///x.db")': "sqlite",
    }.items():
        said = bare.run(f"python -c '{use}' 2>&1 || true").splitlines()[-1]
        assert said.startswith("heliograph.errors.MissingExtra: "), said
        assert said.endswith(f"is not installed: pip install 'heliograph[{extra}]'")
