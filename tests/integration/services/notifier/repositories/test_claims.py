"""What a claim costs, however much waits."""

import pytest

from services.notifier.repositories.claims.statements import DUE
from services.notifier.service import Notifier


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_a_claim_reads_what_is_due_in_order_and_ends_there(notifier: Notifier) -> None:
    compiled = DUE.compile(dialect=notifier.database.engine.dialect)
    values = {**compiled.params, "at_most": 200}
    async with notifier.database.transaction() as session:
        connection = await session.connection()
        in_order = tuple(values[name] for name in compiled.positiontup or ())
        lines = await connection.exec_driver_sql(f"EXPLAIN {compiled}", in_order)
        plan = "\n".join(lines.scalars())
    # Without statistics, as when a million came at once, PostgreSQL sorts wherever it may.
    assert "Index Cond: (due_at <= " in plan, plan
    assert "Sort" not in plan, plan
