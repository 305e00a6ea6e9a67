"""Let PostgreSQL update the inbox in place, and index only what is finished."""

import sqlalchemy as sa
from alembic import op

from heliograph.database.migrations import replace_index_concurrently

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    finished = sa.text("finished_at IS NOT NULL")
    replace_index_concurrently(
        "inbox_finished",
        "inbox",
        ["finished_at"],
        postgresql_where=finished,
        sqlite_where=finished,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE inbox SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE inbox RESET (fillfactor)")
    op.drop_index("inbox_finished", "inbox")
    op.create_index("inbox_finished", "inbox", ["finished_at"])
