"""What Alembic runs for every service, on the connection that `Migrations` hands in."""

from heliograph.database.migrations.migrations import run_migrations

run_migrations()
