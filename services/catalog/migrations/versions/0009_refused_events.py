"""Events that the broker refuses: when they are tried again, or that they are set aside."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
COLUMNS: dict[str, Any] = {
    "due_at": moment,
    "parked_at": moment,
    "discarded_at": moment,
    "reason": sa.Text,
}
INDEXES = {
    "outbox_due": (["partition", "due_at"], "due_at IS NOT NULL"),
    "outbox_parked": (["id"], "parked_at IS NOT NULL"),
    "outbox_aside": (["subject"], "partition < 0"),
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("outbox", sa.Column(name, kind))
    for name, (columns, rows) in INDEXES.items():
        where = sa.text(rows)
        op.create_index(name, "outbox", columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name in reversed(INDEXES):
        op.drop_index(name, "outbox")
    # The release before knows no event that stands aside.
    op.execute("UPDATE outbox SET partition = -1 - partition WHERE partition < 0")
    for name in reversed(COLUMNS):
        op.drop_column("outbox", name)
