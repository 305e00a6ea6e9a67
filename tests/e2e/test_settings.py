"""Programs that cannot start say so in one line, and what to do about it."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from heliograph.tokens import Caller, Tokens
from tests.programs import Program, command
from tests.servers.postgresql import PostgreSQL

CATALOG, NOTIFIER = "services.catalog", "services.notifier"
AMQP = "amqp://guest:hush@127.0.0.1:1/"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the point


@pytest.mark.parametrize(
    ("module", "words", "settings", "named"),
    [
        ("services", ["--port", "0"], {"CATALOG_COLOUR": "red"}, "CATALOG_COLOUR"),
        (CATALOG, ["relay"], {}, "CATALOG_BUS_URL"),
        (NOTIFIER, ["serve"], {"NOTIFIER_BUS_URL": AMQP}, "NOTIFIER_SECRET_KEY"),
        (CATALOG, ["serve", "--only", "api"], {"CATALOG_BUS_URL": AMQP}, "CATALOG_SECRET_KEY"),
        (
            CATALOG,
            ["token", "--subject", "a", "--scope", "catalog:read"],
            {"CATALOG_BUS_URL": AMQP},
            "CATALOG_SECRET_KEY",
        ),
        ("services", ["--port", "0", "--host", EVERYWHERE], {}, "CATALOG_SECRET_KEY"),
        (
            "services",
            ["--port", "0", "--host", EVERYWHERE],
            {"CATALOG_SECRET_KEY": "k" * 32},
            "NOTIFIER_SECRET_KEY",
        ),
        ("services", ["--port", "0", "--host", ""], {}, "CATALOG_SECRET_KEY"),
        ("services", ["--port", "0", "--host", "::"], {}, "CATALOG_SECRET_KEY"),
        (
            "services",
            ["--port", "0"],
            {"CATALOG_DATABASE_URL_FILE": "/nowhere"},
            "CATALOG_DATABASE_URL_FILE",
        ),
        (
            NOTIFIER,
            ["serve", "--port", "0"],
            {"NOTIFIER_BUS_URL": AMQP, "NOTIFIER_SECRET_KEY": "k" * 32},
            "python -m services.notifier migrate",
        ),
    ],
)
def test_a_program_that_cannot_start_names_the_reason_in_one_line(
    tmp_path: Path, module: str, words: list[str], settings: dict[str, str], named: str
) -> None:
    refused = command(tmp_path, module, *words, settings=settings)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("error: ")
    assert named in refused.stderr
    assert "hush" not in refused.stderr
    assert refused.stdout == ""


async def test_a_database_that_does_not_exist_is_told_in_one_line(
    tmp_path: Path, postgres_server: PostgreSQL
) -> None:
    async with postgres_server.database() as url:
        gone = url + "x"
    settings = {"CATALOG_DATABASE_URL": gone, "CATALOG_SECRET_KEY": "k" * 32}
    refused = command(tmp_path, CATALOG, "inbox", "status", settings=settings)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "does not exist" in refused.stderr


async def test_who_neither_checks_nor_issues_tokens_needs_no_key(
    tmp_path: Path, amqp_url: str
) -> None:
    settings = {"CATALOG_BUS_URL": amqp_url, "NOTIFIER_BUS_URL": amqp_url}
    # In this order: the notifier binds to the exchange of the catalog.
    for module in (CATALOG, NOTIFIER):
        migrated = await asyncio.to_thread(command, tmp_path, module, "migrate", settings=settings)
        assert migrated.returncode == 0, migrated.stderr
    words = (NOTIFIER, "work"), (CATALOG, "work"), (CATALOG, "relay")
    programs = [
        Program(tmp_path, *each, "--host", EVERYWHERE, "--port", "0", settings=settings)
        for each in words
    ]
    try:
        for program in programs:
            await asyncio.to_thread(program.wait_for_url)
    finally:
        for program in programs:
            program.stop()


def test_the_secrets_of_a_program_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32 + "\n")
    (tmp_path / "bus").write_text(AMQP)
    settings = {
        "CATALOG_SECRET_KEY_FILE": str(tmp_path / "key"),
        "CATALOG_BUS_URL_FILE": str(tmp_path / "bus"),
    }
    words = ("token", "--subject", "ann", "--scope", "catalog:read")
    issued = command(tmp_path, CATALOG, *words, settings=settings)
    assert issued.returncode == 0, issued.stderr
    caller = Tokens(SecretStr("k" * 32), "catalog").verify(issued.stdout.strip())
    assert caller == Caller("ann", frozenset({"catalog:read"}))
