from datetime import UTC, datetime
from importlib import import_module
from uuid import UUID

from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select

from services.notifier.models import Base, Notification, Subscription
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters

EVENT = UUID(int=7)
NOW = datetime(2026, 1, 31, tzinfo=UTC)


async def test_the_migrations_make_the_tables_of_the_models(notifier: Notifier) -> None:
    async with notifier.database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda each: compare_metadata(
                MigrationContext.configure(each, opts={"compare_server_default": True}),
                Base.metadata,
            )
        )
    assert differences == []


async def test_addresses_from_before_become_one_person(notifier: Notifier) -> None:
    async with notifier.database.transaction() as session:
        await session.flush()
        for email in ("Ada@example.org", "ada@example.org", "Bob@example.org"):
            subscription, _ = await SubscriptionRepository(session).add(
                Wish(email=email, topic="new_product")
            )
            session.add(
                Notification(
                    event_id=EVENT, subscription_id=subscription.id, email=email,
                    topic="new_product", due_at=NOW, created_at=NOW,
                )
            )  # fmt: skip

    async with notifier.database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(rerun, "0004_one_person")

    async with notifier.database.reading() as session:
        kept = await session.execute(
            select(Subscription.email, Subscription.wish).order_by(Subscription.id)
        )
        told = await session.scalars(select(Notification.email).order_by(Notification.id))
        assert [tuple(each) for each in kept] == [
            ("ada@example.org", "new_product of any at any for ada@example.org"),
            ("ada@example.org", None),
            ("bob@example.org", "new_product of any at any for bob@example.org"),
        ]
        assert list(told) == ["Ada@example.org", "ada@example.org", "bob@example.org"]


def rerun(connection: Connection, revision: str) -> None:
    """Run a revision that has run once more."""
    with Operations.context(MigrationContext.configure(connection)):
        import_module(f"services.notifier.migrations.versions.{revision}").upgrade()


async def test_migrating_again_changes_nothing(notifier: Notifier) -> None:
    await notifier.migrate()
    await notifier.check()


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(notifier: Notifier) -> None:
    assert await storage_parameters(notifier.database) == modelled_parameters(Base.metadata)
