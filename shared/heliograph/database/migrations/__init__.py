"""Schema migrations: how a service's revisions are applied and drafted, and what they are made of.

Needs Alembic, from the extra `service`.
"""

from heliograph.database.migrations.indexes import (
    create_index_concurrently,
    drop_index_concurrently,
    replace_index_concurrently,
)
from heliograph.database.migrations.migrations import Migrations

__all__ = [
    "Migrations",
    "create_index_concurrently",
    "drop_index_concurrently",
    "replace_index_concurrently",
]
