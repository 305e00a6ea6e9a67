"""Products are searched by terms that the catalog folds itself, on both databases alike.

They were found by PostgreSQL's text parser and by FTS5's, which part words and drop accents
each in its own way. The terms are those of today's code: should they change, a later revision
makes them anew.
"""

import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from heliograph.database.migrations import create_index_concurrently
from services.catalog.repositories.search import TSVECTOR
from services.catalog.repositories.terms import terms

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CHUNK = 1_000
"""Products that are read and written at once."""

PRODUCT = sa.table(
    "product",
    sa.column("id", sa.Uuid),
    *(sa.column(name, sa.Text) for name in ("name", "sku", "description", "search_terms")),
)

SQLITE = """
CREATE VIRTUAL TABLE product_search USING fts5 (
    terms, content = '', detail = none, tokenize = 'ascii'
);
INSERT INTO product_search (rowid, terms)
    SELECT numbered.id, search_terms
    FROM product JOIN product_search_key AS numbered ON numbered.product_id = product.id
"""

ADD = """
    INSERT INTO product_search (rowid, terms)
        SELECT id, new.search_terms FROM product_search_key WHERE product_id = new.id;
"""

# FTS5 keeps no text: it asks for the old one to find what to take out.
REMOVE = """
    INSERT INTO product_search (product_search, rowid, terms)
        SELECT 'delete', id, old.search_terms FROM product_search_key WHERE product_id = old.id;
"""

NUMBER = "INSERT INTO product_search_key (product_id) VALUES (new.id);"
FORGET = "DELETE FROM product_search_key WHERE product_id = old.id;"

TRIGGERS = {
    "product_search_insert": ("INSERT", NUMBER + ADD),
    "product_search_update": ("UPDATE OF search_terms", REMOVE + ADD),
    "product_search_delete": ("DELETE", REMOVE + FORGET),
}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # Again from here, should the index not be finished.
        op.execute(
            "ALTER TABLE product ADD COLUMN IF NOT EXISTS search_terms TEXT DEFAULT '' NOT NULL"
        )
        with op.get_context().autocommit_block():
            _fill(op.get_bind())
        create_index_concurrently(
            "ix_product_search_terms", "product", [sa.text(TSVECTOR)], postgresql_using="gin"
        )
        op.execute("ALTER TABLE product DROP COLUMN words")
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    op.execute("DROP TABLE product_search")
    op.execute("ALTER TABLE product ADD COLUMN search_terms TEXT DEFAULT '' NOT NULL")
    _fill(connection)
    for statement in (*SQLITE.split(";"), *_triggers(TRIGGERS)):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    before = runpy.run_path(str(Path(__file__).with_name("0004_search.py")))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_product_search_terms")
        op.execute("ALTER TABLE product DROP COLUMN search_terms")
        statements = before["POSTGRESQL"].split(";")
    else:
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
        op.execute("DROP TABLE product_search")
        op.execute("DROP TABLE product_search_key")
        op.execute("ALTER TABLE product DROP COLUMN search_terms")
        statements = [*before["SQLITE"].split(";"), *_triggers(before["TRIGGERS"])]
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _triggers(triggers: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for name, (change, statements) in triggers.items():
        yield f"CREATE TRIGGER {name} AFTER {change} ON product BEGIN {statements} END"


def _fill(connection: sa.Connection) -> None:
    texts = sa.select(PRODUCT.c.id, PRODUCT.c.name, PRODUCT.c.sku, PRODUCT.c.description)
    update = (
        sa.update(PRODUCT)
        .where(PRODUCT.c.id == sa.bindparam("of"))
        .values(search_terms=sa.bindparam("terms"))
    )
    last = None
    while True:
        query = texts.order_by(PRODUCT.c.id).limit(CHUNK)
        if last is not None:
            query = query.where(PRODUCT.c.id > last)
        found = connection.execute(query).all()
        if not found:
            return
        connection.execute(update, [{"of": row.id, "terms": terms(*row[1:])} for row in found])
        last = found[-1].id
