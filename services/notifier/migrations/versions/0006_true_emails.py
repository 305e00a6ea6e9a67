"""What the notifier has heard of products, letters, digests, and what people said of them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from heliograph.database import BigId, UtcDateTime, database_now
from heliograph.money import to_minor

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BATCH = 1_000

_PRODUCT = sa.table(
    "product",
    sa.column("id", sa.Uuid()),
    *(sa.column(name, sa.Text()) for name in ("sequence", "currency", "snapshot")),
    sa.column("event_id", sa.Uuid()),
    sa.column("gone", sa.Boolean()),
    sa.column("price_minor", sa.BigInteger()),
    sa.column("heard_at", UtcDateTime()),
)
_NOTIFICATION = sa.table(
    "notification",
    sa.column("event_id", sa.Uuid()),
    sa.column("product_id", sa.Uuid()),
    sa.column("currency", sa.Text()),
    sa.column("old_minor", sa.BigInteger()),
)


def upgrade() -> None:
    old = sa.table(
        "occasion",
        sa.column("event_id", sa.Uuid()),
        sa.column("topic", sa.Text()),
        sa.column("product", sa.Text()),
        sa.column("old_price", sa.Text()),
    )
    _products()
    _subscriptions()
    _notifications()
    for batch in _batches(old):
        _carry_over(batch)
    op.drop_table("occasion")
    _occasions()
    _people()
    op.create_table(
        "letter",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(
            sa.Column(each, sa.Text(), nullable=False)
            for each in ("head", "text", "html", "public_url", "domain")
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_letter"),
    )
    op.create_index("ix_letter_created_at", "letter", ["created_at"])
    op.create_table(
        "digest",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_digest"),
    )
    op.create_index("ix_digest_created_at", "digest", ["created_at"])
    op.create_table(
        "spread",
        sa.Column("id", BigId, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("old_minor", sa.BigInteger()),
        sa.Column("new_minor", sa.BigInteger()),
        sa.Column("for_all", sa.Boolean(), nullable=False),
        sa.Column("behind", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spread"),
        sqlite_autoincrement=True,
    )


def _products() -> None:
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger()),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
    )
    op.create_index("ix_product_heard_at", "product", ["heard_at"])
    op.create_table(
        "product_price",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "currency", name="pk_product_price"),
    )


def _subscriptions() -> None:
    op.add_column(
        "subscription",
        sa.Column("frequency", sa.Text(), server_default="instant", nullable=False),
    )
    for column in (
        sa.Column("locale", sa.Text()),
        sa.Column("time_zone", sa.Text()),
        sa.Column("digest_at", UtcDateTime()),
        sa.Column("digested_until", UtcDateTime()),
    ):
        op.add_column("subscription", column)
    op.drop_index("ix_subscription_topic_product_id", "subscription")
    _partial_index(
        "ix_subscription_instant",
        "subscription",
        ["topic", "product_id", "id"],
        "wish IS NOT NULL AND frequency = 'instant'",
    )
    _partial_index(
        "ix_subscription_digest",
        "subscription",
        ["digest_at", "email"],
        "digest_at IS NOT NULL",
    )
    _partial_index(
        "ix_subscription_digested",
        "subscription",
        ["topic", "product_id"],
        "digest_at IS NOT NULL",
    )
    op.create_table(
        "request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid()),
        sa.Column("target_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text()),
        sa.Column("time_zone", sa.Text()),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_request"),
        sa.UniqueConstraint("token_hash", name="uq_request_token_hash"),
    )
    op.create_index("ix_request_email", "request", ["email"])
    op.create_index("ix_request_expires_at", "request", ["expires_at"])


def _notifications() -> None:
    op.drop_index("ix_notification_due", "notification")
    with op.batch_alter_table("notification") as table:
        table.drop_constraint("fk_notification_event_id", type_="foreignkey")
        table.drop_constraint("uq_notification_event_id", type_="unique")
        table.create_unique_constraint("uq_notification_event_id", ["event_id", "email", "topic"])
        for column in (
            sa.Column("product_id", sa.Uuid()),
            sa.Column("currency", sa.Text()),
            sa.Column("old_minor", sa.BigInteger()),
            sa.Column("secret", sa.Text()),
            sa.Column("told_by", BigId),
            sa.Column("letter_id", sa.Uuid()),
            sa.Column("told_at", UtcDateTime()),
            sa.Column("told_minor", sa.BigInteger()),
            sa.Column("told_currency", sa.Text()),
            sa.Column("tried_at", UtcDateTime()),
            sa.Column("answer", sa.Text()),
        ):
            table.add_column(column)
    pending = "state = 'pending'"
    for name, columns, where in (
        ("due", ["due_at", "id"], f"{pending} AND told_by IS NULL"),
        ("waiting", ["email", "product_id"], pending),
        ("told_by", ["told_by"], f"{pending} AND told_by IS NOT NULL"),
        ("told", ["email", "told_at"], "told_at IS NOT NULL"),
    ):
        _partial_index(f"ix_notification_{name}", "notification", columns, where)


def _occasions() -> None:
    op.create_table(
        "occasion",
        sa.Column("id", BigId, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("old_minor", sa.BigInteger()),
        sa.Column("new_minor", sa.BigInteger()),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_occasion"),
        sa.UniqueConstraint("event_id", "topic", name="uq_occasion_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_occasion_topic", "occasion", ["topic", "happened_at"])
    op.create_index("ix_occasion_product_id", "occasion", ["product_id", "happened_at"])
    op.create_index("ix_occasion_happened_at", "occasion", ["happened_at"])


def _people() -> None:
    op.create_table(
        "refusal",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("person", "scope", name="pk_refusal"),
    )
    op.create_table(
        "suppression",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_suppression"),
        sa.UniqueConstraint("email", name="uq_suppression_email"),
    )
    op.create_table(
        "bounce",
        sa.Column("id", BigId, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bounce"),
        sa.UniqueConstraint("message_id", "kind", name="uq_bounce_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bounce_person", "bounce", ["person"])
    op.create_index("ix_bounce_created_at", "bounce", ["created_at"])
    op.create_table(
        "attempts",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", name="pk_attempts"),
    )


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, postgresql_where=condition, sqlite_where=condition)


def _batches(old: sa.TableClause) -> Iterator[list[Any]]:
    connection, last = op.get_bind(), UUID(int=0)
    while True:
        query = sa.select(old).where(old.c.event_id > last).order_by(old.c.event_id).limit(_BATCH)
        batch = list(connection.execute(query).all())
        if not batch:
            return
        yield batch
        last = batch[-1].event_id


def _carry_over(batch: list[Any]) -> None:
    """Keep what their emails are about, and the newest that is known of each product."""
    connection = op.get_bind()
    products: dict[UUID, dict[str, Any]] = {}
    emails = []
    for event_id, topic, text, old_price in batch:
        snapshot = json.loads(text)
        product_id, currency = UUID(snapshot["id"]), snapshot["currency"]
        product = {
            "id": product_id,
            "sequence": f"{snapshot['version']:012d}.0000",
            "event_id": event_id,
            "gone": False,
            "currency": currency,
            "price_minor": _minor(snapshot["price"], currency),
            "snapshot": text,
        }
        if product["sequence"] >= products.setdefault(product_id, product)["sequence"]:
            products[product_id] = product
        old = _minor(old_price, currency) if topic == "price_drop" and old_price else None
        emails.append({"of": event_id, "p": product_id, "c": currency, "o": old})
    found = sa.select(_PRODUCT.c.id, _PRODUCT.c.sequence).where(_PRODUCT.c.id.in_(products))
    for product_id, sequence in connection.execute(found).all():
        if products[product_id]["sequence"] <= sequence:
            del products[product_id]
    connection.execute(sa.delete(_PRODUCT).where(_PRODUCT.c.id.in_(products)))
    if products:
        insert = sa.insert(_PRODUCT).values(heard_at=database_now())
        connection.execute(insert, list(products.values()))
    connection.execute(
        sa.update(_NOTIFICATION)
        .where(_NOTIFICATION.c.event_id == sa.bindparam("of"))
        .values(
            product_id=sa.bindparam("p"), currency=sa.bindparam("c"), old_minor=sa.bindparam("o")
        ),
        emails,
    )


def _minor(price: str, currency: str) -> int | None:
    try:
        return to_minor(Decimal(price), currency)
    except (ValueError, ArithmeticError):
        return None


def downgrade() -> None:
    raise NotImplementedError("emails that were merged cannot be told apart again")
