"""INSERT … ON CONFLICT, which both databases have and SQLAlchemy spells apart."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from heliograph.database.session import Session


def upsert(session: Session, model: type[DeclarativeBase]) -> sqlite.Insert | postgresql.Insert:
    """The INSERT of the session's database, with `on_conflict_do_nothing` and `…_do_update`."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return (sqlite.insert if is_sqlite else postgresql.insert)(model)
