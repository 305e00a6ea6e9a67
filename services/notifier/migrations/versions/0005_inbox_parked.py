"""Find parked events among all that the inbox remembers."""

import sqlalchemy as sa
from alembic import op

from heliograph.database.migrations import create_index_concurrently

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    parked = sa.text("state = 'parked'")
    create_index_concurrently(
        "inbox_parked",
        "inbox",
        ["id", "receiver", "subject"],
        postgresql_where=parked,
        sqlite_where=parked,
    )


def downgrade() -> None:
    op.drop_index("inbox_parked", "inbox")
