"""How many viewers each product had, and viewers that can be forgotten."""

import sqlalchemy as sa
from alembic import op

from heliograph.database.migrations import create_index_concurrently

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First: what stands before them is committed with them, and may run twice.
    create_index_concurrently("ix_viewer_viewer", "viewer", ["viewer", "product_id"])
    create_index_concurrently("ix_viewer_last_viewed_at", "viewer", ["last_viewed_at"])
    op.add_column(
        "view_count",
        sa.Column("viewers", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.execute(
        "UPDATE view_count SET viewers = "
        "(SELECT count(*) FROM viewer WHERE viewer.product_id = view_count.product_id)"
    )


def downgrade() -> None:
    op.drop_index("ix_viewer_last_viewed_at", "viewer")
    op.drop_index("ix_viewer_viewer", "viewer")
    op.drop_column("view_count", "viewers")
