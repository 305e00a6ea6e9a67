from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, select

import contracts
from heliograph.bus import MemoryBus
from heliograph.database import Session, UtcDateTime, migrations
from services.notifier.models import Base, Notification, Subscription
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.databases import modelled_parameters, postgresql_alone, storage_parameters
from tests.samples import product

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


async def test_emails_that_wait_from_before_are_told_as_things_are_known(
    database_url: str, tmp_path: Path
) -> None:
    settings = NotifierSettings(
        database_url=database_url,
        image_store_url=tmp_path.as_uri(),
        secret_key=SecretStr("a-key-that-is-only-good-for-tests"),
    )
    lamp = product(name="Lamp", price=Decimal("14.99"), version=3)
    older = lamp.model_copy(update={"name": "Lump", "version": 1})
    notifier = Notifier(settings, MemoryBus())
    try:
        await upgrade(notifier, "0005")
        async with notifier.database.transaction() as session:
            await write_as_before(session, EVENT, lamp, "19.99")
            await write_as_before(session, UUID(int=8), older, None)
        await upgrade(notifier, "head")
        await notifier.check()

        claimed = (await notifier.claims.claim(10)).emails
        subjects = {each.letter.preview(each.addressee).subject for each in claimed}
        assert subjects == {"Price drop: Lamp now 14.99 EUR (was 19.99 EUR)", "New: Lamp"}
        assert {each.addressee.message_id.partition(".")[0] for each in claimed} == {
            f"<{EVENT}",
            f"<{UUID(int=8)}",
        }
    finally:
        await notifier.close()


async def write_as_before(
    session: Session, event_id: UUID, lamp: contracts.Product, old_price: str | None
) -> None:
    """Write an event, a subscription and an email that waits as release 0.1.0 did."""
    topic = "new_product" if old_price is None else "price_drop"
    subscription = sa.table(
        "subscription",
        sa.column("id", sa.Uuid()),
        sa.column("created_at", UtcDateTime()),
        *map(sa.column, ("email", "topic", "token", "wish")),
    )
    occasion = sa.table(
        "occasion",
        sa.column("event_id", sa.Uuid()),
        *map(sa.column, ("topic", "product", "old_price")),
    )
    notification = sa.table(
        "notification",
        sa.column("event_id", sa.Uuid()),
        sa.column("subscription_id", sa.Uuid()),
        sa.column("due_at", UtcDateTime()),
        sa.column("created_at", UtcDateTime()),
        *map(sa.column, ("email", "topic")),
    )
    who = {"email": "ada@example.org", "topic": topic}
    connection = await session.connection()
    await connection.execute(
        sa.insert(subscription).values(
            id=event_id, token=str(event_id), wish=topic, created_at=NOW, **who
        )
    )
    await connection.execute(
        sa.insert(occasion).values(
            event_id=event_id, topic=topic, product=lamp.model_dump_json(), old_price=old_price
        )
    )
    await connection.execute(
        sa.insert(notification).values(
            event_id=event_id, subscription_id=event_id, due_at=NOW, created_at=NOW, **who
        )
    )


async def upgrade(notifier: Notifier, revision: str) -> None:
    """Bring the notifier's database up to a revision, as Alembic's command does."""
    config = Config(attributes={"metadata": Base.metadata, "options": {}})
    config.set_main_option("script_location", str(Path(migrations.__path__[0]) / "alembic"))
    config.set_main_option("version_locations", str(notifier.schema.versions))
    config.set_main_option("path_separator", "newline")

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with notifier.database.engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


async def test_migrating_again_changes_nothing(notifier: Notifier) -> None:
    await notifier.migrate()
    await notifier.check()


@postgresql_alone
async def test_tables_are_stored_as_the_models_say(notifier: Notifier) -> None:
    assert await storage_parameters(notifier.database) == modelled_parameters(Base.metadata)
