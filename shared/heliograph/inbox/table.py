"""The table of the inbox."""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

from heliograph.database import BigId, UtcDateTime
from heliograph.inbox.failures import FAILURES


def inbox_table(metadata: MetaData) -> Table:
    """Declare the table for a service with receivers behind the bus."""
    table = Table(
        "inbox",
        metadata,
        Column("id", BigId, primary_key=True),
        Column("receiver", Text, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("subject", Text),
        Column("routing_key", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("state", Text, nullable=False, server_default="pending"),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("token", Integer, nullable=False, server_default="0"),
        Column("reason", Text),
        # Bytes of the whole message, where only the beginning of it is kept; it cannot run.
        Column("size", BigInteger),
        Column("due_at", UtcDateTime, nullable=False),
        Column("received_at", UtcDateTime, nullable=False),
        Column("started_at", UtcDateTime),
        Column("finished_at", UtcDateTime),
        Column("failures", FAILURES),
        Index("inbox_once", "receiver", "event_id", unique=True),
        sqlite_autoincrement=True,
        # A claim writes its row anew; with room in the same page no index needs to know.
        postgresql_with={"fillfactor": "50"},
    )
    open_rows = is_open(table)
    for name, columns in (
        ("inbox_open", (table.c.receiver, table.c.id)),
        ("inbox_subject", (table.c.receiver, table.c.subject, table.c.id)),
    ):
        Index(name, *columns, postgresql_where=open_rows, sqlite_where=open_rows)
    parked = is_parked(table)
    # With all that a count asks for: the rows themselves, bodies and all, need not be read.
    of_parked = (table.c.id, table.c.receiver, table.c.subject)
    Index("inbox_parked", *of_parked, postgresql_where=parked, sqlite_where=parked)
    finished = table.c.finished_at.is_not(None)
    Index("inbox_finished", table.c.finished_at, postgresql_where=finished, sqlite_where=finished)
    return table


def is_open(table: FromClause) -> ColumnElement[bool]:
    """Whether a row still waits for somebody, a worker or an operator."""
    # Spelled with literals, so that the partial indexes match.
    return table.c.state.in_([literal_column("'pending'"), literal_column("'parked'")])


def is_parked(table: FromClause) -> ColumnElement[bool]:
    """Whether a row waits for an operator."""
    return table.c.state == literal_column("'parked'")
