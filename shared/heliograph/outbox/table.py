"""The tables of the outbox."""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)

from heliograph.database import BigId, UtcDateTime

PARTITIONS = 8
"""Shares of the outbox that relays can empty side by side; a subject is always in one."""

BACKGROUND = PARTITIONS
"""The partition of events without an order; it waits until the others are empty."""


def outbox_table(metadata: MetaData) -> Table:
    """Declare the table for a service that announces."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigId, primary_key=True),
        Column("partition", SmallInteger, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("exchange", Text, nullable=False),
        Column("routing_key", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("created_at", UtcDateTime, nullable=False, server_default=func.now()),
        Index("outbox_partition", "partition", "id"),
        sqlite_autoincrement=True,
        # Until it is vacuumed the index leads over every row that was deleted: PostgreSQL is to do
        # that whenever it looks, once a minute, at its full speed, however large the backlog.
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "10000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )


def relay_lease_table(metadata: MetaData) -> Table:
    """Declare the table in which relays on SQLite take turns."""
    return Table(
        "relay_lease",
        metadata,
        Column("name", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("expires_at", UtcDateTime, nullable=False),
    )
