"""INSERT … ON CONFLICT, which both databases have and SQLAlchemy spells apart."""

from sqlalchemy.dialects import postgresql, sqlite

from heliograph.database.session import Session
from services.notifier.models import Base


def insert(session: Session, model: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """The INSERT of the session's database, on which both offer `on_conflict_do_nothing`."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return (sqlite.insert if is_sqlite else postgresql.insert)(model)
