from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr

from heliograph.bus import MemoryBus
from services.console.models import Base
from services.console.service import Console
from services.console.settings import ConsoleSettings
from tests.integration.services.console.conftest import KEY
from tests.services import migrated


async def test_the_migrations_make_the_tables_of_the_models(
    database_url: str, tmp_path: Path
) -> None:
    settings = ConsoleSettings(database_url=database_url, secret_key=SecretStr(KEY))
    async with (
        migrated(Console(settings, MemoryBus())) as console,
        console.database.engine.connect() as connection,
    ):
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(each, opts={"compare_server_default": True}),
                Base.metadata,
            )
        )
    assert differences == []
