"""Runs the notifier's migrations on the connection that the library hands in."""

from heliograph.database.migrations import run_migrations
from services.notifier.models import Base

run_migrations(Base.metadata)
