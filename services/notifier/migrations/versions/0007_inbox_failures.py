"""Let the inbox tell when an attempt began, and why the last ones failed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("started_at", sa.DateTime(timezone=True)))
    failures = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("inbox", sa.Column("failures", failures))


def downgrade() -> None:
    op.drop_column("inbox", "failures")
    op.drop_column("inbox", "started_at")
