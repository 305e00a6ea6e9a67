"""What one release stored and another works on."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

import contracts
from heliograph import Event, Park
from heliograph.bus import Delivery
from heliograph.database import Unfinished
from heliograph.events import EventKind, messages
from heliograph.inbox import Worker
from heliograph.signals import QueuedReceiver
from tests.integration.heliograph.conftest import House, inbox_rows, running
from tests.polling import until
from tests.samples import ProductV2, event, renamed

older_release: list[str] = []
newer_release: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    older_release.clear()
    newer_release.clear()


def _older() -> QueuedReceiver:
    async def note(event: Event[contracts.Product]) -> None:
        if event.instance.name == "odd":
            raise Park("odd")
        older_release.append(f"{event.instance.name} {event.id}")

    return QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())


def _newer(batch: int | None = None) -> QueuedReceiver:
    async def note(event: Event[ProductV2] | Sequence[Event[ProductV2]]) -> None:
        events = [event] if isinstance(event, Event) else event
        newer_release.extend(f"{each.instance.title} {each.id}" for each in events)

    return QueuedReceiver(note, (EventKind("post_save", ProductV2),), (), batch=batch)


OLDER, NEWER = _older(), _newer()


def copies(sent: Event[ProductV2]) -> list[Delivery]:
    """The event as it arrives: the newer copy, then the older."""
    return [
        Delivery("q", each.routing_key, each.headers, each.body, each.id) for each in messages(sent)
    ]


async def accepted(house: House) -> list[tuple[str, str, int]]:
    c = inbox_rows.c
    async with house.database.reading() as session:
        rows = await session.execute(select(c.event_id, c.state, c.attempts).order_by(c.id))
        return [(row.event_id, row.state, row.attempts) for row in rows]


async def states_are(house: House, *states: tuple[str, int]) -> bool:
    return [each[1:] for each in await accepted(house)] == [*states]


async def waiting(house: House) -> list[Unfinished]:
    return [each for each in await house.inbox.backlog.unfinished() if each.reason]


@pytest.mark.parametrize("newer", [NEWER, _newer(batch=10)], ids=["one by one", "batch"])
async def test_what_is_stored_in_an_older_version_is_brought_up(
    house: House, newer: QueuedReceiver
) -> None:
    first, second = event(renamed(title="Lamp")), event(renamed(title="Chair"))
    await house.accept(OLDER, [copies(first)[1], copies(second)[1]])
    async with running(Worker([newer], house.inbox)):
        await until(lambda: len(newer_release) == 2)
    assert sorted(newer_release) == sorted([f"Lamp {first.id}", f"Chair {second.id}"])


async def test_what_was_parked_in_an_older_version_is_redriven_in_order(house: House) -> None:
    odd = event(renamed(title="odd"))
    behind = event(odd.instance.model_copy(update={"title": "mended", "version": 2}), version=2)
    await house.accept(OLDER, [copies(odd)[1], copies(behind)[1]])
    async with running(Worker([OLDER], house.inbox)):
        [parked] = await until(house.inbox.parked.page)
    assert older_release == []
    await house.inbox.parked.redrive([parked.id])
    async with running(Worker([NEWER], house.inbox)):
        await until(lambda: len(newer_release) == 2)
    assert newer_release == [f"odd {odd.id}", f"mended {behind.id}"]
    assert await house.inbox.parked.page() == []


@pytest.mark.parametrize("first", [OLDER, NEWER], ids=["older", "newer"])
async def test_whichever_release_accepts_which_copy_an_event_runs_once(
    house: House, first: QueuedReceiver
) -> None:
    sent = event(renamed())
    newer, older = copies(sent)
    await house.accept(first, [older if first is OLDER else newer])
    await house.accept(NEWER, [newer, older])
    await house.accept(OLDER, [older])
    async with running(Worker([NEWER], house.inbox)):
        await until(lambda: newer_release)
        await house.accept(NEWER, [newer, older])
        await house.accept(OLDER, [older])
    assert await accepted(house) == [(str(sent.id), "done", 1)]
    assert newer_release == [f"Lamp {sent.id}"]


async def test_an_older_worker_leaves_newer_rows_to_newer_workers(house: House) -> None:
    lamp = renamed(title="first")
    first = event(lamp)
    second = event(lamp.model_copy(update={"title": "second", "version": 2}), version=2)
    other = event(renamed(title="other"))
    await house.accept(NEWER, copies(first))
    await house.accept(OLDER, [copies(second)[1], copies(other)[1]])
    async with running(Worker([OLDER], house.inbox)):
        await until(lambda: older_release)
        [left] = await until(lambda: waiting(house))
        assert left.reason.startswith("waits for a newer release: ce-type ends in .v2")
        # The one behind waits, as it does behind a retry.
        assert older_release == [f"other {other.id}"]
        await until(lambda: states_are(house, ("pending", 0), ("pending", 0), ("done", 1)))
    await house.inbox.backlog.hasten(timedelta(seconds=10))
    async with running(Worker([NEWER], house.inbox)):
        await until(lambda: len(newer_release) == 2)
    assert newer_release == [f"first {first.id}", f"second {second.id}"]


async def test_what_no_version_that_is_read_stands_beside_is_parked_and_says_so(
    house: House,
) -> None:
    newer, _ = copies(event(renamed()))
    alone = {name: value for name, value in newer.headers.items() if "besides" not in name}
    await house.accept(
        OLDER, [Delivery("q", newer.routing_key, alone, newer.body, newer.message_id)]
    )
    [parked] = await house.inbox.parked.page()
    assert parked.reason == (
        "malformed: ce-type ends in .v2, and nothing newer is read here than Product, .v1: listen "
        "to a contract of that version"
    )
