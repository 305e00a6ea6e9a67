"""Claims for a database."""

from sqlalchemy import Table

from heliograph.claims import Claims
from heliograph.claims.postgresql import PostgresClaims
from heliograph.claims.sqlite import SqliteClaims
from heliograph.database import Database


def claims(database: Database, outbox: Table, lease: Table) -> Claims:
    """Pick the manner of claiming that suits the database."""
    if database.is_sqlite:
        return SqliteClaims(database, outbox, lease)
    return PostgresClaims(database)
