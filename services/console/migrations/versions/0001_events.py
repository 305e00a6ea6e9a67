"""Events, views and sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from heliograph.database import BigId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "act_outcome",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_act_outcome"),
    )
    op.create_index("ix_act_outcome_at", "act_outcome", ["at"])

    op.create_table(
        "browser_session",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_browser_session"),
    )
    op.create_index("ix_browser_session_expires_at", "browser_session", ["expires_at"])

    op.create_table(
        "event",
        sa.Column("id", BigId, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column(
            "sought_sku",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
        ),
        sa.Column(
            "sought_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
        ),
        sa.Column("sequence", sa.Text()),
        sa.Column("phrase", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("origin", sa.Text()),
        sa.Column("trace", sa.Text()),
        sa.Column("committed_at", UtcDateTime(), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("event_id", name="uq_event_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("event_actor", "event", ["actor", "id"])
    op.create_index("event_heard", "event", ["heard_at"])
    op.create_index("event_name", "event", ["sought_name", "id", "signal", "actor", "origin"])
    op.create_index("event_origin", "event", ["origin", "id"])
    op.create_index("event_signal", "event", ["signal", "id"])
    op.create_index("event_sku", "event", ["sought_sku", "id", "signal", "actor", "origin"])
    op.create_index("event_subject", "event", ["subject", "id"])
    op.create_index("event_trace", "event", ["trace", "id"])

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
        sa.Column("size", sa.BigInteger()),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("failures", sa.JSON().with_variant(JSONB(), "postgresql")),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        postgresql_with={"fillfactor": "50"},
        sqlite_autoincrement=True,
    )
    op.create_index(
        "inbox_finished",
        "inbox",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
        sqlite_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index("inbox_once", "inbox", ["receiver", "event_id"], unique=True)
    op.create_index(
        "inbox_open",
        "inbox",
        ["receiver", "id"],
        postgresql_where=sa.text("state IN ('pending', 'parked')"),
        sqlite_where=sa.text("state IN ('pending', 'parked')"),
    )
    op.create_index(
        "inbox_parked",
        "inbox",
        ["id", "receiver", "subject"],
        postgresql_where=sa.text("state = 'parked'"),
        sqlite_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "inbox_subject",
        "inbox",
        ["receiver", "subject", "id"],
        postgresql_where=sa.text("state IN ('pending', 'parked')"),
        sqlite_where=sa.text("state IN ('pending', 'parked')"),
    )

    op.create_table(
        "sample",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("figure", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("service", "figure", "at", name="pk_sample"),
    )
    op.create_index("ix_sample_at", "sample", ["at"])

    op.create_table(
        "sign_in_link",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("hash", name="pk_sign_in_link"),
    )
    op.create_index("ix_sign_in_link_expires_at", "sign_in_link", ["expires_at"])

    op.create_table(
        "viewed_hour",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("hour", UtcDateTime(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "hour", name="pk_viewed_hour"),
    )
    op.create_index("viewed_hour_hour", "viewed_hour", ["hour"])

    op.create_table(
        "program",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_program"),
    )


def downgrade() -> None:
    for table in (
        "program",
        "viewed_hour",
        "sign_in_link",
        "sample",
        "inbox",
        "event",
        "browser_session",
        "act_outcome",
    ):
        op.drop_table(table)
