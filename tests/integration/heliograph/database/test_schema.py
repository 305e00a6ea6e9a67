"""The schema that a database must have, told without Alembic and as Alembic tells it."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from heliograph import SchemaNotCurrent
from heliograph.database import Database, Schema

ROOT = Path(__file__).parents[4]
ALEMBIC = "shared/heliograph/database/migrations/alembic"


def write(versions: Path, revision: str, down: str | None) -> None:
    down_revision = "None" if down is None else f'"{down}"'
    (versions / f"{revision}_x.py").write_text(
        f'"""Say."""\n\nrevision = "{revision}"\ndown_revision = {down_revision}\n'
    )


@pytest.mark.parametrize("service", ["catalog", "notifier", "console"])
def test_it_finds_the_revision_that_alembic_finds(service: str) -> None:
    versions = ROOT / "services" / service / "migrations/versions"
    config = Config()
    config.set_main_option("script_location", str(ROOT / ALEMBIC))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    heads = ScriptDirectory.from_config(config).get_heads()
    assert Schema(service, f"services.{service}", versions).newest() == set(heads)


async def test_a_database_is_current_at_the_newest_revision_only(
    tmp_path: Path, database_url: str
) -> None:
    schema = Schema("shop", "acme.shop", tmp_path)
    write(tmp_path, "0001", None)
    write(tmp_path, "0002", "0001")
    database = Database(database_url)
    try:
        with pytest.raises(
            SchemaNotCurrent, match=r"shop is not .* `python -m acme\.shop migrate`"
        ):
            await schema.check(database)
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
            await connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        with pytest.raises(SchemaNotCurrent):
            await schema.check(database)
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
        await schema.check(database)
    finally:
        await database.close()


async def test_two_revisions_on_one_are_never_current(tmp_path: Path, sqlite_url: str) -> None:
    for revision, down in (("0001", None), ("0002", "0001"), ("0003", "0001")):
        write(tmp_path, revision, down)
    schema = Schema("shop", "acme.shop", tmp_path)
    assert schema.newest() == {"0002", "0003"}


async def test_a_service_without_revisions_needs_none(tmp_path: Path, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    try:
        await Schema("shop", "acme.shop", tmp_path).check(database)
    finally:
        await database.close()
