"""How many viewers each product had, and viewers that can be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "view_count",
        sa.Column("viewers", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.execute(
        "UPDATE view_count SET viewers = "
        "(SELECT count(*) FROM viewer WHERE viewer.product_id = view_count.product_id)"
    )
    op.create_index("ix_viewer_viewer", "viewer", ["viewer", "product_id"])
    op.create_index("ix_viewer_last_viewed_at", "viewer", ["last_viewed_at"])


def downgrade() -> None:
    op.drop_index("ix_viewer_last_viewed_at", "viewer")
    op.drop_index("ix_viewer_viewer", "viewer")
    op.drop_column("view_count", "viewers")
