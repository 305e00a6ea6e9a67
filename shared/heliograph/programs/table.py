"""The table of programs."""

from sqlalchemy import JSON, Boolean, Column, MetaData, Table, Text, Uuid

from heliograph.database import UtcDateTime


def program_table(metadata: MetaData) -> Table:
    """Declare the table in which each process of a service has a row; every service needs it."""
    return Table(
        "program",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("name", Text, nullable=False),
        Column("roles", JSON, nullable=False),
        Column("version", Text, nullable=False),
        Column("started_at", UtcDateTime, nullable=False),
        Column("seen_at", UtcDateTime, nullable=False),
        Column("ready", Boolean, nullable=False),
        Column("why", Text),
    )
