"""Runs the catalog's migrations on the connection that the library hands in."""

from heliograph.database.migrations import run_migrations
from services.catalog.models import Base
from services.catalog.search import is_modelled

run_migrations(Base.metadata, include_object=is_modelled)
