"""The steps of an event's way, and what it changed."""

from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

import pytest

from services.console.masking import masked_text
from services.console.way import Body, Heard, differences, gap, timeline, under_way
from services.console.way.answers import Email, Failure, Receiver
from services.console.way.differences import Stretch

COMMITTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRE_SAVE, POST_SAVE = UUID(int=1), UUID(int=2)
HEARD = [Heard(PRE_SAVE, COMMITTED, COMMITTED + timedelta(milliseconds=30))]


def after(**since: float) -> datetime:
    return COMMITTED + timedelta(**since)


def receiver(state: str = "done", **known: object) -> Receiver:
    facts = {
        "service": "notifier",
        "receiver": "email_price_drop",
        "state": state,
        "attempts": 1,
        "accepted_at": after(milliseconds=12),
    }
    return Receiver.model_validate(facts | known)


def email(state: str = "sent", **known: object) -> Email:
    facts = {
        "service": "notifier",
        "id": 7,
        "email": "ann@example.com",
        "topic": "price_drop",
        "state": state,
        "attempts": 1,
        "created_at": after(milliseconds=40),
    }
    return Email.model_validate(facts | known)


def test_steps_stand_in_the_order_of_their_times() -> None:
    done = receiver(started_at=after(milliseconds=35), finished_at=after(milliseconds=45))
    lines = timeline(HEARD, [done], [email(sent_at=after(seconds=4))])
    assert [(each.step.what, each.gap and gap(each.gap)) for each in lines] == [
        ("requested", None),
        ("committed", None),
        ("accepted", "12 ms"),
        ("heard", "18 ms"),
        ("began", "5 ms"),
        ("written", "5 ms"),
        ("done", "5 ms"),
        ("sent", "4 s"),
    ]
    assert not under_way(lines)


def test_what_another_clock_says_was_before_its_cause_stands_behind_it() -> None:
    early = receiver(accepted_at=after(seconds=-3), finished_at=after(seconds=-2.9))
    lines = timeline(HEARD, [early], [])
    assert [(each.step.what, each.gap, each.clocks_differ) for each in lines] == [
        ("requested", None, False),
        ("committed", None, False),
        ("accepted", None, True),
        ("done", None, True),
        ("heard", timedelta(milliseconds=30), False),
    ]


def test_each_attempt_that_failed_stands_before_what_came_of_them() -> None:
    failures = [Failure(at=after(seconds=each), reason=f"no {each}") for each in (2, 1)]
    row = receiver("pending", attempts=2, started_at=after(seconds=1.9), failures=failures)
    steps = [each.step for each in timeline(HEARD, [row], [])]
    assert [(each.what, each.reason) for each in steps[3:]] == [
        ("heard", None),
        ("failed", "no 1"),
        ("began", None),
        ("failed", "no 2"),
        ("pending", None),
    ]
    assert steps[-1].waits == "waits to be tried again"


@pytest.mark.parametrize(
    ("row", "waits"),
    [
        (receiver("pending", attempts=0), "waits for a worker, or for an earlier event"),
        (receiver("pending", started_at=after(seconds=1)), "an attempt has begun and not ended"),
        (
            receiver("held", attempts=0),
            "waits for an earlier event of its subject, which is parked",
        ),
        (receiver("parked", reason="no"), "waits for somebody to redrive or discard it"),
    ],
)
def test_what_is_unfinished_stands_at_the_end_and_says_what_it_waits_for(
    row: Receiver, waits: str
) -> None:
    other = receiver(receiver="purge_images", finished_at=after(days=2))
    last = timeline(HEARD, [row, other], [])[-1].step
    assert last.receiver == row
    assert str(last.waits).startswith(waits)


def test_only_what_goes_on_by_itself_is_under_way() -> None:
    assert under_way(timeline(HEARD, [receiver("pending")], []))
    assert under_way(timeline(HEARD, [], [email("pending")]))
    parked = receiver("parked", reason="no")
    assert not under_way(timeline(HEARD, [parked, receiver("held")], [email("cancelled")]))


def test_a_reason_that_is_the_last_failures_is_said_once() -> None:
    failures = [Failure(at=after(seconds=1), reason="no")]
    parked = timeline(HEARD, [receiver("parked", reason="no", failures=failures)], [])[-1].step
    assert parked.reason is None
    assert parked.at == after(seconds=1)


def test_emails_that_were_written_at_once_are_one_step() -> None:
    emails = [email(id=each, sent_at=after(seconds=each)) for each in (1, 2)]
    emails.append(email("cancelled", id=3, reason="the price has risen"))
    steps = [each.step for each in timeline([], [], emails)]
    assert [each.what for each in steps] == ["written", "cancelled", "sent", "sent"]
    assert len(steps[0].written) == 3


def test_without_an_event_there_is_what_services_tell() -> None:
    assert [each.step.what for each in timeline([], [receiver("pending")], [])] == [
        "accepted",
        "pending",
    ]
    assert timeline([], [], []) == []


def test_events_of_a_change_have_one_timeline() -> None:
    other = Heard(POST_SAVE, after(milliseconds=1), HEARD[0].heard_at)
    receivers = [
        receiver(event_id=PRE_SAVE, finished_at=after(milliseconds=45)),
        receiver(event_id=POST_SAVE, receiver="tell", finished_at=after(milliseconds=42)),
    ]
    emails = [email("cancelled", event_id=each, id=each.int) for each in (PRE_SAVE, POST_SAVE)]
    steps = [each.step for each in timeline([*HEARD, other], receivers, emails)]
    assert [(each.what, [id_.int for id_ in each.event_ids]) for each in steps] == [
        ("requested", []),
        ("committed", [1, 2]),
        ("accepted", [1]),
        ("accepted", [2]),
        ("heard", [1, 2]),
        ("written", [1]),
        ("cancelled", [1]),
        ("written", [2]),
        ("cancelled", [2]),
        ("done", [2]),
        ("done", [1]),
    ]


FAILED_TWICE = [Failure(at=after(seconds=each), reason=f"no {each}") for each in (1, 2)]


@pytest.mark.parametrize(
    ("row", "tried"),
    [
        (
            receiver(started_at=after(seconds=9), finished_at=after(seconds=10)),
            ["failed", "failed", "redriven", "began", "done"],
        ),
        (
            receiver("pending", attempts=0, started_at=after(seconds=1.9)),
            ["failed", "began", "failed", "redriven", "pending"],
        ),
        (
            receiver("pending", started_at=after(seconds=9)),
            ["failed", "failed", "redriven", "began", "pending"],
        ),
        (
            receiver("parked", attempts=1, started_at=after(seconds=1.9), reason="no 2"),
            ["failed", "redriven", "began", "failed", "parked"],
        ),
        (
            receiver("pending", attempts=2, started_at=after(seconds=9), reason="handed back"),
            ["failed", "failed", "began", "pending"],
        ),
        (
            receiver(attempts=3, started_at=after(seconds=9), finished_at=after(seconds=10)),
            ["failed", "failed", "began", "done"],
        ),
    ],
)
def test_failures_that_attempts_do_not_count_are_from_before_a_redrive(
    row: Receiver, tried: list[str]
) -> None:
    row = row.model_copy(update={"failures": tuple(FAILED_TWICE)})
    steps = [each.step.what for each in timeline(HEARD, [row], [])]
    assert steps[4:] == tried


def test_what_was_redriven_and_not_tried_since_waits_for_a_worker() -> None:
    row = receiver("pending", attempts=0, failures=FAILED_TWICE)
    assert str(timeline([], [row], [])[-1].step.waits).startswith("waits for a worker")


def test_a_date_is_told_where_it_changes() -> None:
    lines = timeline(HEARD, [receiver(finished_at=after(days=1))], [])
    assert [each.step.what for each in lines if each.new_day] == ["committed", "done"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (timedelta(), "0 ms"),
        (timedelta(milliseconds=12), "12 ms"),
        (timedelta(milliseconds=999.9), "1 s"),
        (timedelta(seconds=1.25), "1.2 s"),
        (timedelta(seconds=4), "4 s"),
        (timedelta(milliseconds=9_999), "10 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=3, seconds=5), "3 min 5 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_a_gap_reads_as_people_say_it(value: timedelta, said: str) -> None:
    assert gap(value) == said


def test_words_that_differ_are_marked() -> None:
    change = {"from": "It gives warm light.", "to": "It gives cold, white light."}
    (found,) = differences({"description": change})
    assert found.before.whole == [
        Stretch("It gives"),
        Stretch(" warm", differs=True),
        Stretch(" light."),
    ]
    assert [each.text for each in found.after.whole if each.differs] == [" cold, white"]


def test_of_long_texts_the_ends_of_each_stretch_are_shown() -> None:
    text = "word " * 2000
    (found,) = differences({"description": {"from": text + "old", "to": text + "new"}})
    assert len("".join(each.text for each in found.before.short)) < 200
    assert found.before.short[-1] == Stretch(" old", differs=True)


def test_values_of_any_kind_are_told() -> None:
    changes = {"images": {"from": [], "to": [{"key": "a"}]}, "price": {"from": None, "to": "1.00"}}
    images, price = differences(changes)
    assert images.after.whole == [Stretch('[\n  {\n    "key": "a"\n  }\n]')]
    assert price.before.whole == ()


def test_texts_that_are_made_to_be_slow_to_compare_are_not() -> None:
    a = " ".join("xy"[n.bit_count() % 2] for n in range(5_000))
    b = " ".join("xy"[n * 7919 % 13 % 2] for n in range(199))
    begun = perf_counter()
    differences({"description": {"from": a[:398], "to": b}})
    differences({"description": {"from": a, "to": b}})
    assert perf_counter() - begun < 0.5


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[1]", b'{"n": ' + b"9" * 6000 + b"}"])
def test_a_body_that_is_no_event_is_shown_as_it_is(body: bytes) -> None:
    assert Body(body).beginning(str)[0].replace(" ", "").replace("\n", "") == (
        body.decode().replace(" ", "")
    )


def test_of_a_large_body_the_beginning_is_shown() -> None:
    body = Body(b'{"a": "%s"}' % (b"x" * 1_000_000))
    shown, whole = body.beginning(str)
    assert len(shown) == 65_536
    assert not whole


def test_what_is_shown_of_a_body_is_masked() -> None:
    body = Body(b'{"name": "ada\\u0040example.org", "actor": "bob@example.org"}')
    shown = '{\n  "name": "a…@example.org",\n  "actor": "b…@example.org"\n}'
    assert body.beginning(masked_text) == (shown, True)


def test_addresses_are_masked_wherever_they_stand() -> None:
    assert masked_text("550 <ada@example.org>: no") == "550 <a…@example.org>: no"
    assert masked_text("ada+x@example.org,bob@example.org") == "a…@example.org,b…@example.org"
    assert masked_text('"ada l"@example.org') == '"…@example.org'
    assert masked_text("amqp://ada:secret@host") == "amqp://ada:s…@host"
    assert masked_text("nobody @ home") == "nobody @ home"


def test_a_long_text_is_masked_in_no_time() -> None:
    begun = perf_counter()
    for text in ("a" * 200_000, "a@" * 100_000, '"a' * 100_000, '"' * 200_000):
        masked_text(text)
    assert perf_counter() - begun < 2


def test_a_body_is_masked_within_its_texts() -> None:
    body = Body(b'{"name": "ada\\u0040example.org", "tags": [{"x": "b@c.d"}], "n": 1.50}')
    assert body.rewritten(masked_text) == (
        '{"name": "a…@example.org", "tags": [{"x": "b…@c.d"}], "n": 1.5}'.encode()
    )
