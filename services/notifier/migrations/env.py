"""Runs the notifier's migrations on the connection that `shared.migrations` hands in."""

from alembic import context

from services.notifier.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
