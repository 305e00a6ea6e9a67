"""Runs the notifier's migrations on the connection that `heliograph.migrations` hands in."""

from heliograph.migrations import run_migrations
from services.notifier.models import Base

run_migrations(Base.metadata)
