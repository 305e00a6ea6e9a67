"""Programs that cannot start say so in one line, and what to do about it."""

from pathlib import Path

import pytest

from tests.programs import command
from tests.servers.postgresql import PostgreSQL

CATALOG, NOTIFIER = "services.catalog", "services.notifier"
AMQP = "amqp://guest:hush@127.0.0.1:1/"


@pytest.mark.parametrize(
    ("module", "words", "settings", "named"),
    [
        ("services", ["--port", "0"], {"CATALOG_COLOUR": "red"}, "CATALOG_COLOUR"),
        (CATALOG, ["relay"], {}, "CATALOG_BUS_URL"),
        (NOTIFIER, ["work"], {"NOTIFIER_BUS_URL": AMQP}, "NOTIFIER_SECRET_KEY"),
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
