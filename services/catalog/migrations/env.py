"""Runs the catalog's migrations on the connection that `shared.migrations` hands in."""

from alembic import context

from services.catalog.models import Base
from services.catalog.search import is_modelled

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    include_object=is_modelled,
)
with context.begin_transaction():
    context.run_migrations()
