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
    literal_column,
)

from heliograph.database import BigId, UtcDateTime

PARTITIONS = 8
"""Shares of the outbox that relays can empty side by side; a subject is always in one."""

BACKGROUND = PARTITIONS
"""The partition of events without an order; it waits until the others are empty."""


def aside(partition: int) -> int:
    """The partition, below zero, of those that stand aside from this one; and back again.

    There is what the broker refused, until it is due or somebody decides, and on PostgreSQL what
    waits behind it: a claim does not walk past either.
    """
    return -1 - partition


def outbox_table(metadata: MetaData) -> Table:
    """Declare the table for a service that announces.

    A row that was refused has `due_at`, the moment of its next attempt, and the `reason`; one
    that is set aside has `parked_at` instead. One that is redriven or discarded is due at once.
    """
    table = Table(
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
        Column("due_at", UtcDateTime),
        Column("parked_at", UtcDateTime),
        Column("discarded_at", UtcDateTime),
        Column("reason", Text),
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
    # Nothing of these is written for a row that nobody refuses.
    for name, columns, rows in (
        ("outbox_due", (table.c.partition, table.c.due_at), table.c.due_at.is_not(None)),
        ("outbox_parked", (table.c.id,), table.c.parked_at.is_not(None)),
        ("outbox_aside", (table.c.subject,), table.c.partition < literal_column("0")),
    ):
        Index(name, *columns, postgresql_where=rows, sqlite_where=rows)
    return table


def relay_lease_table(metadata: MetaData) -> Table:
    """Declare the table in which relays on SQLite take turns."""
    return Table(
        "relay_lease",
        metadata,
        Column("name", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("expires_at", UtcDateTime, nullable=False),
    )
