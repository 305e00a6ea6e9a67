"""Counts of an inbox, exact where somebody waits, and cheap where much is only remembered."""

from uuid import uuid4

import pytest
from sqlalchemy import insert

from heliograph.database import database_now
from heliograph.inbox import counts, parked
from tests.databases import postgresql_alone
from tests.integration.heliograph.conftest import House, inbox_rows
from tests.statements import statements_of

ROWS = 3000


async def fill(house: House, state: str, subjects: list[str | None]) -> None:
    finished = state in {"done", "discarded"}
    row = insert(inbox_rows).values(
        receiver="note", routing_key="k", headers=b"{}", body=b"", state=state,
        due_at=database_now(), received_at=database_now(),
        finished_at=database_now() if finished else None,
    )  # fmt: skip
    rows = [{"event_id": str(uuid4()), "subject": each} for each in subjects]
    async with house.database.transaction() as session:
        await (await session.connection()).execute(row, rows)


async def test_each_row_counts_once_in_its_state(house: House) -> None:
    await fill(house, "pending", ["lamp"])
    await fill(house, "parked", ["lamp", "lamp", "desk"])
    await fill(house, "pending", ["lamp", "lamp", "chair", None])
    await fill(house, "done", ["lamp"] * 5)
    await fill(house, "discarded", ["desk"])
    assert await house.inbox.status() == {
        ("note", "pending"): 3,
        ("note", "held"): 2,
        ("note", "parked"): 3,
        ("note", "done"): 5,
        ("note", "discarded"): 1,
    }


@postgresql_alone
async def test_what_is_only_remembered_is_estimated_from_a_share_of_its_pages(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(house, "pending", ["lamp"])
    await fill(house, "done", ["lamp"] * ROWS)
    monkeypatch.setattr(counts, "SAMPLED_PAGES", 30)
    found = await house.inbox.status()
    assert found[("note", "pending")] == 1
    assert ROWS / 2 < found[("note", "done")] < ROWS * 2
    assert {(await house.inbox.status())[("note", "done")] for _ in range(5)} != {ROWS}


@pytest.mark.parametrize("release", ["redrive", "discard"])
async def test_any_number_of_parked_events_is_released_in_short_steps(
    house: House, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parked, "STEP", 2)
    await fill(house, "parked", ["lamp"] * 5)
    async with statements_of(house.database) as statements:
        assert await getattr(house.inbox.parked, release)(None) == 5
    assert sum(each.startswith("UPDATE") for each in statements) == 3
    assert sum(each.startswith("COMMIT") for each in statements) == 4
    assert await house.inbox.parked.page() == []


async def test_what_is_not_parked_is_not_shown(house: House) -> None:
    await fill(house, "pending", ["lamp"])
    await fill(house, "parked", ["lamp"])
    [row] = await house.inbox.parked.page()
    shown = await house.inbox.parked.show(row.id)
    assert shown is not None
    assert shown.event_id == row.event_id
    assert await house.inbox.parked.show(row.id - 1) is None
