from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.catalog.models import Base
from services.catalog.repositories.search import is_modelled
from services.catalog.service import Catalog


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
