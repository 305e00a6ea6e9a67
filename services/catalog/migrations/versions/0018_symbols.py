"""Products are found by symbols as by the letters that these stand for, whatever is unseen in them.

The terms are those of today's code, as in 0011; of most products they stay as they are.
"""

import sqlalchemy as sa
from alembic import op

from services.catalog.repositories.terms import terms

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

CHUNK = 1_000
"""Products that are read and written at once."""

PRODUCT = sa.table(
    "product",
    sa.column("id", sa.Uuid),
    *(sa.column(name, sa.Text) for name in ("name", "sku", "description", "search_terms")),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            _fill(op.get_bind())
    else:
        _fill(op.get_bind())


def downgrade() -> None:
    """Leave what others are found by as it is."""


def _fill(connection: sa.Connection) -> None:
    c = PRODUCT.c
    query = sa.select(c.id, c.search_terms, c.name, c.sku, c.description).order_by(c.id)
    update = (
        sa.update(PRODUCT)
        .where(c.id == sa.bindparam("of"))
        .values(search_terms=sa.bindparam("terms"))
    )
    found = connection.execute(query.limit(CHUNK)).all()
    while found:
        made = [(row, terms(*row[2:])) for row in found]
        if changed := [{"of": row.id, "terms": new} for row, new in made if new != row[1]]:
            connection.execute(update, changed)
        found = connection.execute(query.where(c.id > found[-1].id).limit(CHUNK)).all()
