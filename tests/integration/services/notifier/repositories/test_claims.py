"""What a claim costs, however much waits."""

from typing import Any

import pytest
from sqlalchemy import ClauseElement, text

from heliograph.database import Session
from services.notifier.repositories.claims.statements import DUE, MERGE
from services.notifier.service import Notifier

SENT = text("""\
INSERT INTO notification (event_id, subscription_id, email, topic, state, due_at, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, n || '@example.org',
    'price_drop', 'sent', now(), now()
FROM generate_series(1, 2000) AS n
""")


async def planned(session: Session, statement: ClauseElement, **values: object) -> str:
    """How PostgreSQL would answer a statement with these values."""
    connection = await session.connection()
    compiled: Any = statement.compile(dialect=connection.dialect)
    in_order = tuple({**compiled.params, **values}[name] for name in compiled.positiontup)
    lines = await connection.exec_driver_sql(f"EXPLAIN {compiled}", in_order)
    return "\n".join(lines.scalars())


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_a_claim_reads_what_is_due_in_order_and_ends_there(notifier: Notifier) -> None:
    async with notifier.database.transaction() as session:
        plan = await planned(session, DUE, at_most=200)
    # Without statistics, as when a million came at once, PostgreSQL sorts wherever it may.
    assert "Index Cond: (due_at <= " in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_a_row_is_changed_by_its_id_and_not_sought_among_all_that_wait(
    notifier: Notifier,
) -> None:
    """By whatever statistics: here are those of a ledger in which all was sent."""
    async with notifier.database.transaction() as session:
        await session.execute(SENT)
        await session.execute(text("ANALYZE notification"))
        plan = await planned(session, MERGE, mine=1, lead=2)
    assert "Index Cond: (id = " in plan, plan
