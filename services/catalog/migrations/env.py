"""Runs the catalog's migrations on the connection that `shared.migrations` hands in."""

from services.catalog.models import Base
from services.catalog.search import is_modelled
from shared.migrations import run_migrations

run_migrations(Base.metadata, include_object=is_modelled)
