"""Create subscriptions, the ledger of emails, and the inbox."""

import sqlalchemy as sa
from alembic import op

from heliograph.database import BigId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid()),
        sa.Column("target_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("wish", sa.Text()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("token", name="uq_subscription_token"),
        sa.UniqueConstraint("wish", name="uq_subscription_wish"),
    )
    op.create_index("ix_subscription_email", "subscription", ["email"])
    op.create_index("ix_subscription_topic_product_id", "subscription", ["topic", "product_id"])
    op.create_table(
        "occasion",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("old_price", sa.Text()),
        sa.PrimaryKeyConstraint("event_id", name="pk_occasion"),
    )
    op.create_table(
        "notification",
        sa.Column("id", BigId, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("token", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["event_id"], ["occasion.event_id"], name="fk_notification_event_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
        sa.UniqueConstraint("event_id", "email", name="uq_notification_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notification_email", "notification", ["email"])
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_notification_due",
        "notification",
        ["due_at"],
        postgresql_where=pending,
        sqlite_where=pending,
    )
    op.create_table(
        "inbox",
        sa.Column("id", BigId, nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("routing_key", sa.Text(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("token", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("inbox_once", "inbox", ["receiver", "event_id"], unique=True)
    unfinished = sa.text("state IN ('pending', 'parked')")
    op.create_index(
        "inbox_open",
        "inbox",
        ["receiver", "id"],
        postgresql_where=unfinished,
        sqlite_where=unfinished,
    )
    op.create_index(
        "inbox_subject",
        "inbox",
        ["receiver", "subject", "id"],
        postgresql_where=unfinished,
        sqlite_where=unfinished,
    )
    op.create_index("inbox_finished", "inbox", ["finished_at"])


def downgrade() -> None:
    for table in ("inbox", "notification", "occasion", "subscription"):
        op.drop_table(table)
