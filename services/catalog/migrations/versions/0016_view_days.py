"""How often and by how many a product was viewed on each day, from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "view_day",
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("viewers", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "day", name="pk_view_day"),
    )
    op.create_table(
        "viewer_day",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("product_id", sa.Uuid, nullable=False),
        sa.Column("viewer", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("day", "product_id", "viewer", name="pk_viewer_day"),
    )


def downgrade() -> None:
    op.drop_table("viewer_day")
    op.drop_table("view_day")
