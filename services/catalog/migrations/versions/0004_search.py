"""Full-text search over products, and the orders in which they are listed.

PostgreSQL has a generated `tsvector`. SQLite has an FTS5 table that keeps no text, kept
up to date by triggers; whoever makes `product` anew must make its triggers anew. Its
rows have numbers of their own, for VACUUM may give a table without an integer key others.
"""

from alembic import op

from heliograph.database.migrations import create_index_concurrently

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Accents go. So do the signs with which the parser would make one URL, path, tag or number
# with a sign out of what a reader takes for several words.
POSTGRESQL = r"""
ALTER TABLE product ADD COLUMN IF NOT EXISTS words tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', translate(
        regexp_replace(
            normalize(name || ' ' || sku || ' ' || description, NFD), '[\u0300-\u036f]', '', 'g'
        ),
        '-/.@_:<>&+~%?=#', '               '
    ))
) STORED
"""

SQLITE = """
CREATE TABLE product_search_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id CHAR(32) NOT NULL UNIQUE
);
CREATE VIRTUAL TABLE product_search USING fts5 (
    name, sku, description, content = '', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO product_search_key (product_id) SELECT id FROM product;
INSERT INTO product_search (rowid, name, sku, description)
    SELECT numbered.id, name, sku, description
    FROM product JOIN product_search_key AS numbered ON numbered.product_id = product.id
"""

ADD = """
    INSERT INTO product_search (rowid, name, sku, description)
        SELECT id, new.name, new.sku, new.description
        FROM product_search_key WHERE product_id = new.id;
"""

# FTS5 keeps no text: it asks for the old one to find what to take out.
REMOVE = """
    INSERT INTO product_search (product_search, rowid, name, sku, description)
        SELECT 'delete', id, old.name, old.sku, old.description
        FROM product_search_key WHERE product_id = old.id;
"""

NUMBER = "INSERT INTO product_search_key (product_id) VALUES (new.id);"
FORGET = "DELETE FROM product_search_key WHERE product_id = old.id;"

TRIGGERS = {
    "product_search_insert": ("INSERT", NUMBER + ADD),
    "product_search_update": ("UPDATE OF name, sku, description", REMOVE + ADD),
    "product_search_delete": ("DELETE", REMOVE + FORGET),
}


def upgrade() -> None:
    for column in ("created_at", "name"):
        create_index_concurrently(f"ix_product_{column}", "product", [column, "id"])
    if op.get_bind().dialect.name == "postgresql":
        # Committed before the index is built, so it may run twice. It writes the table anew, while
        # all its traffic waits: at a million products for minutes.
        _run(POSTGRESQL)
        create_index_concurrently("ix_product_words", "product", ["words"], postgresql_using="gin")
        return
    _run(SQLITE)
    for name, (change, statements) in TRIGGERS.items():
        op.get_bind().exec_driver_sql(
            f"CREATE TRIGGER {name} AFTER {change} ON product BEGIN {statements} END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _run("DROP INDEX ix_product_words; ALTER TABLE product DROP COLUMN words")
    else:
        for name in TRIGGERS:
            _run(f"DROP TRIGGER {name}")
        _run("DROP TABLE product_search; DROP TABLE product_search_key")
    for column in ("created_at", "name"):
        op.drop_index(f"ix_product_{column}", "product")


def _run(script: str) -> None:
    for statement in script.split(";"):
        op.get_bind().exec_driver_sql(statement)
