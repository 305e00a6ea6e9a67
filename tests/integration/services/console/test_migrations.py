from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from heliograph.service import Service
from services.console.models import Base
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters
from tests.services import console as made
from tests.services import migrated


@pytest.fixture
async def console(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with migrated(made(database_url, tmp_path)) as service:
        yield service


async def test_the_migrations_make_the_tables_of_the_models(console: Service) -> None:
    async with console.database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(each, opts={"compare_server_default": True}),
                Base.metadata,
            )
        )
    assert differences == []


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(console: Service) -> None:
    assert await storage_parameters(console.database) == modelled_parameters(Base.metadata)
