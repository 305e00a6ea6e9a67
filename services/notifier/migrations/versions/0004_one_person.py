"""Addresses in lower case: `Case@` and `case@` of one domain are one person.

Of wishes that become the same the oldest stays, and the others have ended. What the ledger says
of two emails about one event stays as it is.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WISH = "substr(wish, 1, length(wish) - length(email)) || lower(email)"


def upgrade() -> None:
    op.execute(
        "UPDATE subscription SET wish = NULL WHERE id IN (SELECT id FROM (SELECT id, "  # noqa: S608
        f"row_number() OVER (PARTITION BY {WISH} ORDER BY id) AS place "
        "FROM subscription WHERE wish IS NOT NULL) AS numbered WHERE place > 1)"
    )
    op.execute(
        f"UPDATE subscription SET email = lower(email), wish = {WISH} "  # noqa: S608
        "WHERE email <> lower(email)"
    )
    op.execute(
        "UPDATE notification SET email = lower(email) WHERE email <> lower(email) AND NOT EXISTS ("
        "SELECT 1 FROM notification AS other WHERE other.event_id = notification.event_id "
        "AND lower(other.email) = lower(notification.email) AND other.id <> notification.id)"
    )


def downgrade() -> None:
    """How an address was typed is forgotten."""
