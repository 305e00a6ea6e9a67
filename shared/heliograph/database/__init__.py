"""The database: sessions, the guard, the one place that commits, and statements past SQLAlchemy.

`heliograph.database.migrations` is a room by itself: it needs Alembic, from the extra `service`.
"""

from heliograph.database.backlog import Backlog, TableBacklog, Unfinished
from heliograph.database.bulk import BulkInsert
from heliograph.database.database import Database
from heliograph.database.schema import Schema
from heliograph.database.session import Session
from heliograph.database.statements import Query, Statement, driver, query_for, statement_for
from heliograph.database.types import (
    BigId,
    Condition,
    Inserting,
    UtcDateTime,
    among,
    database_now,
    inserting,
    one_of,
    unindexed,
    upsert,
)
from heliograph.database.unavailable import unavailable
from heliograph.database.wakeup import Bell, NotifyBridge
from heliograph.signals import Signalling

__all__ = [
    "Backlog",
    "Bell",
    "BigId",
    "BulkInsert",
    "Condition",
    "Database",
    "Inserting",
    "NotifyBridge",
    "Query",
    "Schema",
    "Session",
    "Signalling",
    "Statement",
    "TableBacklog",
    "Unfinished",
    "UtcDateTime",
    "among",
    "database_now",
    "driver",
    "inserting",
    "one_of",
    "query_for",
    "statement_for",
    "unavailable",
    "unindexed",
    "upsert",
]
