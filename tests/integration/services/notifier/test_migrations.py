from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.notifier.models import Base
from services.notifier.service import Notifier
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters


async def test_the_migrations_make_the_tables_of_the_models(notifier: Notifier) -> None:
    async with notifier.database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(each, opts={"compare_server_default": True}),
                Base.metadata,
            )
        )
    assert differences == []


async def test_migrating_again_changes_nothing(notifier: Notifier) -> None:
    await notifier.migrate()
    await notifier.check()


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(notifier: Notifier) -> None:
    assert await storage_parameters(notifier.database) == modelled_parameters(Base.metadata)
