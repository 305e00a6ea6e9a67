from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.notifier.models import Base
from services.notifier.service import Notifier


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
