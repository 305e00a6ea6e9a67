"""Let the inbox tell how large a message was of which it keeps only the beginning."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("size", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("inbox", "size")
