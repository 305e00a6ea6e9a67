"""Searches for common words are answered as fast as those for rare ones.

Products are listed by price without sorting them all. SQLite has beside the numbers of its
products what they are sorted and filtered by, where a search of many reads less.
"""

import runpy
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from heliograph.database.migrations import create_index_concurrently
from services.catalog.repositories.listing import amount_of

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = {
    "created_at": "TIMESTAMP DEFAULT '' NOT NULL",
    "name": "TEXT DEFAULT '' NOT NULL",
    "amount": "BIGINT DEFAULT 0 NOT NULL",
    "categories": "TEXT DEFAULT '' NOT NULL",
}

KEEP = f"""
    UPDATE product_search_key
        SET created_at = new.created_at, name = new.name, amount = {amount_of("new")}
        WHERE product_id = new.id;
"""  # noqa: S608 - no values

JOIN = """
    UPDATE product_search_key SET categories = categories || new.category_id || ' '
        WHERE product_id = new.product_id;
"""

LEAVE = """
    UPDATE product_search_key SET categories = replace(categories, old.category_id || ' ', '')
        WHERE product_id = old.product_id;
"""

TRIGGERS = {
    "product_search_keep": ("UPDATE OF created_at, name, price_minor, currency ON product", KEEP),
    "product_search_join": ("INSERT ON product_category", JOIN),
    "product_search_leave": ("DELETE ON product_category", LEAVE),
}

FILL = f"""
UPDATE product_search_key AS numbered
    SET created_at = product.created_at, name = product.name, amount = {amount_of("product")}
    FROM product WHERE product.id = numbered.product_id;
UPDATE product_search_key AS numbered SET categories = (
    SELECT group_concat(category_id, ' ') || ' ' FROM product_category
    WHERE product_category.product_id = numbered.product_id
) WHERE product_id IN (SELECT product_id FROM product_category)
"""  # noqa: S608 - no values


def upgrade() -> None:
    # SQLite has no table's name in the expression of an index.
    amount = sa.text(amount_of("product").replace("product.", ""))
    create_index_concurrently("ix_product_price", "product", [amount, "id"])
    if op.get_bind().dialect.name == "postgresql":
        return
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE product_search_key ADD COLUMN {name} {kind}")
    for statement in FILL.split(";"):
        op.get_bind().exec_driver_sql(statement)
    numbered = _before("NUMBER") + KEEP
    _trigger("product_search_insert", "INSERT ON product", numbered + _before("ADD"))
    for name, (change, statements) in TRIGGERS.items():
        _trigger(name, change, statements)


def downgrade() -> None:
    op.execute("DROP INDEX ix_product_price")
    if op.get_bind().dialect.name == "postgresql":
        return
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    _trigger("product_search_insert", "INSERT ON product", _before("NUMBER") + _before("ADD"))
    for name in COLUMNS:
        op.execute(f"ALTER TABLE product_search_key DROP COLUMN {name}")


def _before(statement: str) -> str:
    return str(runpy.run_path(str(Path(__file__).with_name("0011_search_terms.py")))[statement])


def _trigger(name: str, change: str, statements: str) -> None:
    connection = op.get_bind()
    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
    connection.exec_driver_sql(f"CREATE TRIGGER {name} AFTER {change} BEGIN {statements} END")
