"""Claims for a database."""

from sqlalchemy import Table

from shared.claims import Claims
from shared.claims.postgresql import PostgresClaims
from shared.claims.sqlite import SqliteClaims
from shared.database import Database


def claims(database: Database, outbox: Table, lease: Table) -> Claims:
    """Pick the manner of claiming that suits the database."""
    if database.is_sqlite:
        return SqliteClaims(database, outbox, lease)
    return PostgresClaims(database)
