"""The command `link`, on the console's database in a file."""

import asyncio
import getpass
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from heliograph.service import opened
from services.console.__main__ import app, program
from services.console.repositories.sign_in import SignInRepository

Run = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command; the logging of the tests is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    # Neither needs anything but the database.
    monkeypatch.setenv("CONSOLE_BUS_URL", "amqp://guest:hush@127.0.0.1:1/")
    monkeypatch.setenv("CONSOLE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/console.db")
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    configuration = structlog.get_config()
    yield lambda *words: CliRunner().invoke(app, [str(word) for word in words])
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.fixture
def migrated(command: Run) -> Run:
    async def migrate() -> None:
        async with opened(program.make, program.load()) as console:
            await console.migrations.apply(console.database)

    asyncio.run(migrate())
    return command


def followed(link: str) -> tuple[str, frozenset[str]]:
    """Whom a link signs in, and for what."""

    async def follow() -> tuple[str, frozenset[str]]:
        async with (
            opened(program.make, program.load()) as console,
            console.database.transaction() as session,
        ):
            return await SignInRepository(session).follow_link(link.rpartition("/")[2])

    return asyncio.run(follow())


def test_a_link_is_all_that_is_printed(migrated: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_PUBLIC_URL", "https://console.example")
    printed = migrated("link")
    assert printed.exit_code == 0, printed.output
    assert printed.stderr == ""
    assert printed.stdout.startswith("https://console.example/sign-in/")
    who, scopes = followed(printed.stdout.strip())
    assert who == getpass.getuser()
    assert scopes == {"console:admin"}


def test_a_link_may_be_for_somebody_else_who_only_looks(migrated: Run) -> None:
    printed = migrated("link", "--subject", "ada", "--scope", "console:read")
    assert followed(printed.stdout.strip()) == ("ada", frozenset({"console:read"}))


def test_a_user_without_a_name_is_a_developer(
    migrated: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    # As in a container, whose user has a number alone.
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 2)
    who, _ = followed(migrated("link").stdout.strip())
    assert who == "developer"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scope", "catalog:admin"], "'--scope'"),
        (["--scope", "console:write"], "'--scope'"),
        (["--subject", "a\x1b[2J"], "printable characters"),
        (["--subject", "a" * 201], "printable characters"),
    ],
)
def test_what_no_link_can_be_for_is_refused(migrated: Run, words: list[str], told: str) -> None:
    refused = migrated("link", *words)
    assert refused.exit_code in {1, 2}
    assert told in refused.output
    assert "/sign-in/" not in refused.output


def test_a_schema_that_is_not_current_is_told_in_one_line(command: Run) -> None:
    refused = command("link")
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "python -m services.console migrate" in refused.stderr
