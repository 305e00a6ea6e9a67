"""Events that are kept, found and forgotten, on both databases."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import undefer

from heliograph import Event
from heliograph.bus import MemoryBus
from heliograph.database import database_now
from heliograph.events import new_id
from services.console.live import Search
from services.console.models import HeardEvent
from services.console.repositories.events import EventRepository
from services.console.repositories.listed import Filters, ListedEvent
from services.console.service import Console
from services.console.settings import ConsoleSettings
from tests.samples import event, image, product
from tests.services import KEY, migrated

LAMP = product(sku="LAMP-1", name="Écran Lampe")
CHAIR = product(sku="chair-9", name="Chair 100%_new")
ALL = Filters()
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def console(database_url: str, tmp_path: Path) -> AsyncIterator[Console]:
    settings = ConsoleSettings(database_url=database_url, secret_key=KEY)
    async with migrated(Console(settings, MemoryBus())) as service:
        yield service


def heard(snapshot: Any = LAMP, **fields: Any) -> Event[Any]:
    """An event as it comes over the bus."""
    return event(snapshot, body=b"{}", **fields)


async def keep(console: Console, *events: Event[Any]) -> None:
    async with console.database.transaction() as session:
        await EventRepository(session).keep(events)


async def listed(console: Console, filters: Filters = ALL, **of: Any) -> list[ListedEvent]:
    async with console.database.reading() as session:
        return await EventRepository(session).listed(filters, **{"limit": 100, **of})


async def test_an_event_that_comes_again_is_kept_once(console: Console) -> None:
    first, second = heard(), heard(CHAIR)
    await keep(console, first)
    await keep(console, first, second)
    assert [each.event_id for each in await listed(console)] == [second.id, first.id]


async def test_an_event_is_kept_as_it_came(console: Console) -> None:
    whole = heard(
        signal="pre_save",
        created=True,
        actor="user-7",
        origin="batch",
        sequence="000000000001.0000",
        traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
    )
    await keep(console, whole)
    async with console.database.reading() as session:
        found = (await session.scalars(select(HeardEvent).options(undefer(HeardEvent.body)))).one()
    assert found.body == b"{}"
    assert (found.event_id, found.subject, found.sender) == (whole.id, LAMP.id, "catalog.product")
    assert (found.sku, found.name, found.actor) == (LAMP.sku, LAMP.name, "user-7")
    assert (found.origin, found.trace, found.size) == ("batch", TRACE, 2)
    assert (found.sequence, found.committed_at) == (whole.sequence, whole.time)
    assert found.phrase == "created at 19.99 EUR"


async def test_an_image_goes_by_its_product(console: Console) -> None:
    before, after = (heard(image(product_id=LAMP.id), signal="post_save") for _ in range(2))
    strange = heard(image(), signal="post_save")
    await keep(console, heard(LAMP), before)
    await keep(console, heard(LAMP.model_copy(update={"name": "Lamp"})))
    await keep(console, after, strange)
    names = {each.event_id: (each.sku, each.name) for each in await listed(console)}
    assert names[before.id] == ("LAMP-1", "Écran Lampe")
    assert names[after.id] == ("LAMP-1", "Lamp")
    assert names[strange.id] == (None, None)


EVENTS = (
    heard(LAMP, actor="ada", traceparent=f"00-{TRACE}-b7ad6b7169203331-01"),
    heard(LAMP, signal="post_delete", actor="Ada", origin="import"),
    heard(CHAIR, signal="pre_save", origin="batch"),
    heard(CHAIR, signal="m2m_changed", actor="ada"),
    heard(image(product_id=CHAIR.id), signal="post_save"),
)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [0, 1, 2, 3, 4]),
        (Filters(q="lamp"), [0, 1]),
        (Filters(q="LAMP-1"), [0, 1]),
        (Filters(q="LAMP-11"), []),
        (Filters(q="écran l"), [0, 1]),
        (Filters(q="ÉCRAN"), [0, 1]),
        (Filters(q="Lampe"), []),
        (Filters(q="Chair 100%_"), [2, 3, 4]),
        (Filters(q="%"), []),
        (Filters(q="C"), [2, 3, 4]),
        (Filters(q=str(LAMP.id)), [0, 1]),
        (Filters(q=str(EVENTS[3].id).upper()), [3]),
        (Filters(q=TRACE), [0]),
        (Filters(product=CHAIR.id), [2, 3, 4]),
        (Filters(product=new_id()), []),
        (Filters(signal="post_save"), [0, 4]),
        (Filters(actor="ada"), [0, 3]),
        (Filters(origin="batch"), [2]),
        (Filters(trace=TRACE), [0]),
        (Filters(q="chair", signal="m2m_changed", actor="ada"), [3]),
        (Filters(q="lamp", origin="batch"), []),
    ],
)
async def test_a_list_and_what_comes_live_are_filtered_alike(
    console: Console, filters: Filters, expected: Sequence[int]
) -> None:
    await keep(console, *EVENTS)
    ids = [EVENTS[each].id for each in reversed(expected)]
    assert [each.event_id for each in await listed(console, filters)] == ids
    live = [each for each in await listed(console) if filters.let_through(each)]
    assert [each.event_id for each in live] == ids


@pytest.mark.parametrize("filters", [Filters(), Filters(q="lamp")])
async def test_a_list_is_paged_both_ways(console: Console, filters: Filters) -> None:
    await keep(console, *(heard(LAMP) for _ in range(10)))
    whole = [each.id for each in await listed(console, filters)]

    async def ids(**of: Any) -> list[int]:
        return [each.id for each in await listed(console, filters, limit=3, **of)]

    assert await ids() == whole[:3]
    assert await ids(before=whole[2]) == whole[3:6]
    assert await ids(after=whole[6]) == whole[3:6]
    assert await ids(after=whole[0]) == []
    assert await ids(before=whole[-1]) == []


async def test_what_is_old_is_forgotten_in_steps(console: Console) -> None:
    await keep(console, *(heard() for _ in range(5)))
    new = heard()
    async with console.database.transaction() as session:
        await session.execute(update(HeardEvent).values(heard_at=database_now(-8 * 86_400)))
    await keep(console, new)
    for gone in (2, 2, 1, 0):
        async with console.database.transaction() as session:
            assert await EventRepository(session).prune(timedelta(days=7), 2) == gone
    assert [each.event_id for each in await listed(console)] == [new.id]


async def test_an_event_whose_id_is_lower_than_one_that_was_read_is_read_too(
    console: Console,
) -> None:
    await keep(console, *(heard() for _ in range(4)))
    whole = [each.id for each in await listed(console)][::-1]

    async def read(search: Search) -> list[int]:
        async with console.database.reading() as session:
            found, _ = await search.look(EventRepository(session))
        return [each.id for each in found]

    async def move(id_: int, to: int) -> None:
        """Hide an event, as one that is not committed yet, or show it."""
        async with console.database.transaction() as session:
            await session.execute(
                text("UPDATE event SET id = :to WHERE id = :id"), {"id": id_, "to": to}
            )

    hidden = -1
    await move(whole[1], hidden)
    search = Search(whole[-1])
    assert await read(search) == [whole[0], *whole[2:]]
    assert await read(search) == []
    await move(hidden, whole[1])
    assert await read(search) == [whole[1]]
    assert await read(search) == []
    await keep(console, heard())
    assert len(await read(search)) == 1


async def test_a_body_of_a_megabyte_is_not_read_for_a_list(console: Console) -> None:
    large = event(LAMP, body=b"x" * 1_100_000)
    await keep(console, large)
    (found,) = await listed(console)
    assert not hasattr(found, "body")
    async with console.database.reading() as session:
        size = await session.scalar(select(HeardEvent.size))
    assert size == 1_100_000
    assert isinstance(found.event_id, UUID)
