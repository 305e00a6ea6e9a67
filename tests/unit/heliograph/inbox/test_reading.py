"""Whose events are taken."""

import pytest

import contracts
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.events import EventKind, encode
from heliograph.inbox.reading import entry
from heliograph.signals import QueuedReceiver
from tests.samples import event


async def note(_event: Event[contracts.Product]) -> None: ...


RECEIVER = QueuedReceiver(note, (EventKind("post_save", contracts.Product),), ())
CATALOG = {"catalog.events": "catalog"}


def delivery(user: str | None, body: bytes | None = None) -> Delivery:
    message = encode(EVENT)
    return Delivery("q", message.routing_key, message.headers, body or message.body, user=user)


EVENT = event()


@pytest.mark.parametrize(
    ("user", "found"),
    [("notifier", "by notifier"), (None, "by nobody who is named"), ("", "by nobody who is named")],
)
def test_what_another_published_is_parked_and_not_believed(user: str | None, found: str) -> None:
    forged = entry(RECEIVER, delivery(user), announcers=CATALOG)
    assert forged.reason == f"forged: not published by the broker's user catalog, but {found}"
    assert forged.subject is None
    assert forged.event_id.startswith("forged:")
    # So that it is kept once, and apart from the event whose id it has.
    assert entry(RECEIVER, delivery(user), announcers=CATALOG) == forged
    assert entry(RECEIVER, delivery("catalog"), announcers=CATALOG).event_id == str(EVENT.id)


def test_what_the_announcer_published_is_taken() -> None:
    taken = entry(RECEIVER, delivery("catalog"), announcers=CATALOG)
    assert (taken.event_id, taken.subject) == (str(EVENT.id), str(EVENT.instance.subject))
    assert taken.reason is None


@pytest.mark.parametrize("announcers", [{}, {"elsewhere.events": "elsewhere"}])
def test_anybody_may_announce_where_nobody_is_named(announcers: dict[str, str]) -> None:
    for user in ("notifier", None):
        assert entry(RECEIVER, delivery(user), announcers=announcers).reason is None


def test_what_the_broker_gave_up_on_is_no_less_forged() -> None:
    assert entry(RECEIVER, delivery("catalog"), "gave up", CATALOG).reason == "gave up"
    forged = entry(RECEIVER, delivery("notifier"), "gave up", CATALOG)
    assert forged.reason is not None
    assert forged.reason.startswith("forged: ")


def test_what_cannot_be_read_is_malformed_whoever_published_it() -> None:
    unread = entry(RECEIVER, delivery("notifier", b"{"), announcers=CATALOG)
    assert unread.reason is not None
    assert unread.reason.startswith("malformed: ")
