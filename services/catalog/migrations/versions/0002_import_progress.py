"""How far imports have come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_progress",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("rejects_size", sa.BigInteger, nullable=False),
        sa.Column("tally", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_import_progress"),
    )


def downgrade() -> None:
    op.drop_table("import_progress")
