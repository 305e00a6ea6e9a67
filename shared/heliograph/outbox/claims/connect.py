"""Claims for a database."""

from sqlalchemy import Table

from heliograph.database import Database
from heliograph.outbox.claims.postgresql import PostgresClaims
from heliograph.outbox.claims.protocol import Claims
from heliograph.outbox.claims.sqlite import SqliteClaims


def claims_for(database: Database, outbox: Table, lease: Table) -> Claims:
    """Pick the manner of claiming that suits the database."""
    if database.is_sqlite:
        return SqliteClaims(database, outbox, lease)
    return PostgresClaims(database)
