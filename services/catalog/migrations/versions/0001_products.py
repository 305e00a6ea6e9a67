"""Products, images, categories, views, outbox and inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
unfinished = sa.text("state IN ('pending', 'parked')")


def upgrade() -> None:
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
        sa.UniqueConstraint("sku", name="uq_product_sku"),
    )
    op.create_table(
        "category",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_category"),
        sa.UniqueConstraint("slug", name="uq_category_slug"),
    )
    op.create_table(
        "product_category",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("category_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "category_id", name="pk_product_category"),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["product.id"],
            name="fk_product_category_product_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name="fk_product_category_category_id"
        ),
    )
    op.create_index("ix_product_category_category_id", "product_category", ["category_id"])
    op.create_table(
        "image",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("variants", sa.JSON, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
        sa.UniqueConstraint("key", name="uq_image_key"),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name="fk_image_product_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_image_product_id", "image", ["product_id"])
    op.create_table(
        "image_intent",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_image_intent"),
    )
    op.create_index("ix_image_intent_created_at", "image_intent", ["created_at"])
    op.create_table(
        "view_count",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="pk_view_count"),
    )
    op.create_table(
        "viewer",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("viewer", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_viewed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "viewer", name="pk_viewer"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", row_number, nullable=False),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("exchange", sa.Text, nullable=False),
        sa.Column("routing_key", sa.Text, nullable=False),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_partition", "outbox", ["partition", "id"])
    op.create_table(
        "relay_lease",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_relay_lease"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", row_number, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("routing_key", sa.Text, nullable=False),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("token", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("inbox_once", "inbox", ["receiver", "event_id"], unique=True)
    for name, columns in (
        ("inbox_open", ["receiver", "id"]),
        ("inbox_subject", ["receiver", "subject", "id"]),
    ):
        op.create_index(
            name, "inbox", columns, postgresql_where=unfinished, sqlite_where=unfinished
        )
    op.create_index("inbox_finished", "inbox", ["finished_at"])


def downgrade() -> None:
    for table in (
        "inbox",
        "relay_lease",
        "outbox",
        "viewer",
        "view_count",
        "image_intent",
        "image",
        "product_category",
        "category",
        "product",
    ):
        op.drop_table(table)
