"""Indexes on tables that are in use: what a revision calls instead of Alembic's operations.

On PostgreSQL they are built outside a transaction, so the revision is committed up to there. If
it is broken off it runs again from its beginning: what stands before such a call must bear that.
On SQLite, where who migrates is the only writer anyway, they are part of the transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import text

_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def create_index_concurrently(
    name: str, table: str, columns: Sequence[Any], **options: Any
) -> None:
    """Build an index while its table is read and written; `options` are `op.create_index`'s.

    One of this name that is complete stays as it is; one that was broken off is built anew.
    """
    if not _is_postgresql():
        op.create_index(name, table, columns, **options)
        return
    with _outside_transactions():
        valid = op.get_bind().scalar(_VALID, {"name": f'"{name}"'})
        if valid is False:
            op.drop_index(name, postgresql_concurrently=True)
        if not valid:
            op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index_concurrently(name: str, table: str) -> None:
    """Drop an index while its table is read and written; one that is gone already is fine."""
    if not _is_postgresql():
        op.drop_index(name, table)
        return
    with _outside_transactions():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)


def replace_index_concurrently(
    name: str, table: str, columns: Sequence[Any], **options: Any
) -> None:
    """Build an index anew, with other columns or conditions; at every moment there is one."""
    if not _is_postgresql():
        op.drop_index(name, table)
        op.create_index(name, table, columns, **options)
        return
    create_index_concurrently(f"{name}_new", table, columns, **options)
    drop_index_concurrently(name, table)
    # In one transaction with the revision's number: it is not done twice.
    op.execute(f'ALTER INDEX "{name}_new" RENAME TO "{name}"')


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


@contextmanager
def _outside_transactions() -> Iterator[None]:
    """Let statements commit each by itself, and wait for others as long as `migrate` does.

    These wait for transactions that began before them, and nobody waits behind them.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        # After a failure the connection is not used again.
        op.execute("RESET lock_timeout")
