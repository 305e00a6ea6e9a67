from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.catalog.models import Base
from services.catalog.repositories.search import is_modelled
from services.catalog.service import Catalog
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters


async def test_models_and_migrations_agree(catalog: Catalog) -> None:
    async with catalog.database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(
                    each, opts={"compare_server_default": True, "include_object": is_modelled}
                ),
                Base.metadata,
            )
        )
    assert differences == []


async def test_migrating_again_changes_nothing(catalog: Catalog) -> None:
    await catalog.migrate()
    await catalog.check()


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(catalog: Catalog) -> None:
    assert await storage_parameters(catalog.database) == modelled_parameters(Base.metadata)
