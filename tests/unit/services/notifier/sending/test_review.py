"""The second look, rule by rule: no database, one moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from heliograph.events import new_id
from services.notifier.emails.facts import SHOWN
from services.notifier.sending.evidence import Asked, Heard, Told, Waiting, Wanted
from services.notifier.sending.pace import Pace
from services.notifier.sending.review import BURST, COOLDOWN, Review, Verdict

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ADA = "ada@example.org"
LAMP = new_id()


def row(number: int = 1, **fields: Any) -> Waiting:
    defaults: dict[str, Any] = {
        "id": number,
        "token": 0,
        "attempts": 0,
        "email": ADA,
        "event_id": new_id(),
        "subscription_id": new_id(),
        "topic": "price_drop",
        "product_id": LAMP,
        "currency": "EUR",
        "old_minor": 50,
        "secret": None,
        "due_at": NOW - MINUTE,
        "letter_id": None,
        "told_at": None,
        "told_by": None,
        "created_at": NOW - MINUTE,
    }
    return Waiting(**defaults | fields)


def wanted(**fields: Any) -> Wanted:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "email": ADA,
        "topic": "price_drop",
        "product_id": None,
        "target_minor": None,
        "currency": None,
        "token": "a token",
        "locale": None,
    }
    return Wanted(**defaults | fields)


def target(minor: int, currency: str = "EUR", **fields: Any) -> Wanted:
    return wanted(product_id=LAMP, target_minor=minor, currency=currency, **fields)


def told(minor: int, ago: timedelta, **fields: Any) -> Told:
    defaults: dict[str, Any] = {
        "email": ADA,
        "topic": "price_drop",
        "product_id": LAMP,
        "told_currency": "EUR",
        "told_minor": minor,
        "told_at": NOW - ago,
    }
    return Told(**defaults | fields)


def heard(price: int | None = 40, currency: str = "EUR", **fields: Any) -> Heard:
    defaults: dict[str, Any] = {"id": LAMP, "sequence": "7", "gone": False}
    return Heard(currency=currency, price_minor=price, **defaults | fields)


def review(**pace: Any) -> Review:
    return Review(pace=Pace(**pace), now=NOW, locale="en")


AT_40 = heard(40)


def price(
    rows: Sequence[Waiting],
    product: Heard | None = AT_40,
    *,
    wishes: Sequence[Wanted] = (wanted(),),
    before: Sequence[Told] = (),
    **pace: Any,
) -> Verdict:
    return review(**pace).price(rows, wishes, before, product)


def prices(verdict: Verdict) -> tuple[int | None, int | None]:
    assert verdict.facts is not None, verdict
    [item] = verdict.facts.items
    return item.old_minor, item.new_minor


# The price of one product.


def test_a_drop_tells_both_prices_and_answers_a_wish() -> None:
    verdict = price([row()])
    assert prices(verdict) == (50, 40)
    assert (verdict.link, verdict.told, verdict.cancelled) == ("a token", [], {})


def test_the_newest_price_is_told_from_the_oldest_that_is_higher() -> None:
    rows = [row(1, old_minor=45), row(2, old_minor=60), row(3, old_minor=55)]
    verdict = price(rows, heard(50))
    assert prices(verdict) == (60, 50)
    assert verdict.lead == rows[0]
    assert verdict.told == [2, 3]


@pytest.mark.parametrize(
    ("rows", "product", "wishes", "reason"),
    [
        ([row()], heard(gone=True), [wanted()], "the product is gone"),
        ([row()], None, [wanted()], "the product is gone"),
        ([row()], heard(50), [wanted()], "the price is no longer lower"),
        ([row()], heard(60), [wanted()], "the price is no longer lower"),
        ([row()], heard(40, "USD"), [wanted()], "the price is in USD now"),
        ([row()], heard(None, "XXX"), [wanted()], "the price is in XXX now"),
        ([row()], heard(), [], "the subscription ended"),
        ([row()], heard(), [wanted(topic="new_product")], "the subscription ended"),
        ([row()], heard(), [target(39)], "the target is no longer met"),
        ([row()], heard(), [target(45, "USD")], "the target is no longer met"),
        ([row(old_minor=None)], heard(), [wanted()], "the target is no longer met"),
        ([row(1), row(2)], heard(gone=True), [wanted()], "the product is gone"),
    ],
)
def test_what_is_no_longer_true_or_wanted_is_cancelled_with_its_reason(
    rows: list[Waiting], product: Heard | None, wishes: list[Wanted], reason: str
) -> None:
    verdict = price(rows, product, wishes=wishes)
    assert verdict == Verdict(cancelled={each.id: reason for each in rows})


@pytest.mark.parametrize("gone", [True, False])
def test_what_waits_for_the_end_of_a_cool_down_is_cancelled_at_once_if_the_product_goes(
    *, gone: bool
) -> None:
    verdict = price([row()], heard(gone=gone), before=[told(45, MINUTE)])
    assert bool(verdict.cancelled) is gone


@pytest.mark.parametrize(
    ("newest", "met"), [(39, True), (40, True), (41, False)], ids=["below", "at", "above"]
)
def test_a_target_is_met_at_its_price_or_below(newest: int, *, met: bool) -> None:
    verdict = price([row()], heard(newest), wishes=[target(40)])
    assert bool(verdict.facts) is met


def test_an_email_names_the_target_that_it_answers() -> None:
    verdict = price([row()], wishes=[target(39, token="no"), target(42, token="yes")])
    assert verdict.facts is not None
    assert (verdict.facts.target_minor, verdict.facts.target_currency) == (42, "EUR")
    assert verdict.link == "yes"


def test_the_wish_for_which_the_first_row_was_written_is_answered_if_it_is_met() -> None:
    mine = wanted(token="mine")
    rows = [row(subscription_id=mine.id)]
    assert price(rows, wishes=[target(45), mine]).link == "mine"
    assert price([row()], wishes=[target(45, token="first"), mine]).link == "first"


def test_a_target_that_was_met_at_once_names_no_price_before() -> None:
    verdict = price([row(old_minor=None)], wishes=[target(45)])
    assert prices(verdict) == (None, 40)


def test_rows_in_another_currency_say_nothing_of_the_price_before() -> None:
    rows = [row(1, currency="USD", old_minor=90), row(2, old_minor=50)]
    assert prices(price(rows)) == (50, 40)


@pytest.mark.parametrize("locale", [None, "de"])
def test_a_person_is_told_in_their_language_or_the_services(locale: str | None) -> None:
    verdict = price([row()], wishes=[wanted(locale=locale)])
    assert verdict.facts is not None
    assert verdict.facts.locale == (locale or "en")


# The cool-down.


def test_within_the_cool_down_all_wait_for_its_end_and_say_why() -> None:
    rows = [row(1), row(2)]
    verdict = price(rows, before=[told(45, 59 * MINUTE), told(60, 90 * MINUTE)])
    assert (verdict.lead, verdict.told) == (rows[0], [2])
    assert (verdict.until, verdict.reason) == (NOW + MINUTE, COOLDOWN)
    assert verdict.facts is None


@pytest.mark.parametrize(
    ("ago", "cooldown", "waits"),
    [(59 * MINUTE, 3_600, True), (HOUR, 3_600, False), (MINUTE, 30, False), (MINUTE, 0, False)],
)
def test_a_cool_down_ends_to_the_moment(ago: timedelta, cooldown: int, *, waits: bool) -> None:
    verdict = price([row()], before=[told(45, ago)], cooldown=cooldown)
    assert (verdict.until is not None) is waits


@pytest.mark.parametrize(
    ("newest", "told_before", "expected"),
    [
        (40, 45, (45, 40)),
        (40, 55, (55, 40)),
        (45, 45, None),
        (48, 45, None),
    ],
    ids=["lower", "far lower", "as it was told", "higher"],
)
def test_what_came_within_the_cool_down_counts_from_the_price_that_was_told(
    newest: int, told_before: int, expected: tuple[int, int] | None
) -> None:
    rows = [row(created_at=NOW - 30 * MINUTE)]
    verdict = price(rows, heard(newest), before=[told(told_before, HOUR)])
    if expected:
        assert prices(verdict) == expected
    else:
        reason = "the price is no lower than the one that was told before"
        assert verdict.cancelled == {1: reason}


def test_what_came_after_the_cool_down_counts_from_its_own_price() -> None:
    before = [told(40, 2 * HOUR)]
    assert prices(price([row(created_at=NOW - MINUTE)], heard(45), before=before)) == (50, 45)


def test_each_of_several_counts_by_itself() -> None:
    """The first fell within the cool-down to no less than was told, the second after it."""
    within = row(1, old_minor=45, created_at=NOW - 90 * MINUTE)
    after = row(2, old_minor=42, created_at=NOW - MINUTE)
    verdict = price([within, after], heard(41), before=[told(40, 2 * HOUR)])
    assert prices(verdict) == (42, 41)


def test_a_target_that_was_met_after_the_cool_down_is_told_whatever_came_within_it() -> None:
    within = row(1, old_minor=45, created_at=NOW - 90 * MINUTE)
    met = row(2, old_minor=None)
    verdict = price([within, met], heard(42), wishes=[target(45)], before=[told(40, 2 * HOUR)])
    assert prices(verdict) == (None, 42)


def test_what_was_told_in_another_currency_is_no_price_to_count_from() -> None:
    before = [told(45, HOUR, told_currency="USD")]
    rows = [row(created_at=NOW - 30 * MINUTE)]
    assert prices(price(rows, before=before)) == (50, 40)


def test_a_target_that_was_met_within_the_cool_down_is_told_only_below_what_was_told() -> None:
    rows = [row(old_minor=None, created_at=NOW - 30 * MINUTE)]
    wishes = [target(45)]
    assert price(rows, wishes=wishes, before=[told(40, HOUR)]).facts is None
    assert prices(price(rows, wishes=wishes, before=[told(42, HOUR)])) == (42, 40)


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_the_mail_server_put_off_waits_for_its_time_with_all_that_joins_it(
    attempts: int,
) -> None:
    later = NOW + MINUTE
    rows = [row(1, attempts=attempts, due_at=later), row(2)]
    verdict = price(rows)
    assert verdict.until == (later if attempts else None)
    assert (verdict.lead, verdict.told) == (rows[0], [2])


# New products.


def news(
    count: int, *, gone: Sequence[int] = (), before: Sequence[Told] = (), **pace: Any
) -> tuple[Verdict, list[UUID]]:
    ids = [new_id() for _ in range(count)]
    rows = [row(place, topic="new_product", product_id=each) for place, each in enumerate(ids)]
    known = {each: heard(id=each, gone=place in gone) for place, each in enumerate(ids)}
    wishes = [wanted(topic="new_product")]
    return review(**pace).news(rows, wishes, before, known), ids


@pytest.mark.parametrize("count", [1, 2, SHOWN, SHOWN + 1, 1_000])
def test_new_products_are_one_email_that_shows_some_and_counts_the_others(count: int) -> None:
    verdict, ids = news(count)
    assert verdict.facts is not None
    assert [each.product_id for each in verdict.facts.items] == ids[:SHOWN]
    assert verdict.facts.more == max(count - SHOWN, 0)
    assert verdict.lead is not None
    assert [verdict.lead.id, *verdict.told] == list(range(count))


def test_what_is_gone_is_neither_shown_nor_counted_and_the_next_one_leads() -> None:
    verdict, ids = news(SHOWN + 3, gone=[0, 2])
    assert verdict.cancelled == dict.fromkeys([0, 2], "the product is gone")
    assert verdict.facts is not None
    assert not {ids[0], ids[2]} & {each.product_id for each in verdict.facts.items}
    assert (len(verdict.facts.items), verdict.facts.more) == (SHOWN, 1)
    assert verdict.lead is not None
    assert verdict.lead.id == 1


def test_of_new_products_that_are_all_gone_there_is_no_email() -> None:
    verdict, _ = news(2, gone=[0, 1])
    assert verdict == Verdict(cancelled=dict.fromkeys([0, 1], "the product is gone"))


def test_who_watches_prices_only_hears_of_no_new_product() -> None:
    rows = [row(topic="new_product")]
    verdict = review().news(rows, [wanted()], [], {LAMP: heard()})
    assert verdict.cancelled == {1: "the subscription ended"}


@pytest.mark.parametrize(
    ("minutes", "burst", "until"),
    [
        ([], 2, None),
        ([10], 2, None),
        ([10, 20], 2, 40),
        ([10, 20, 30], 2, 40),
        ([10, 60], 2, None),
        ([10, 59], 2, 1),
        ([10, 20, 30], 0, None),
    ],
)
def test_after_a_burst_the_rest_waits_until_an_hour_has_room_again(
    minutes: list[int], burst: int, until: int | None
) -> None:
    before = [told(0, each * MINUTE, topic="new_product") for each in minutes]
    verdict, _ = news(2, before=before, burst=burst)
    assert verdict.until == (until and NOW + until * MINUTE)
    assert verdict.reason == (until and BURST)
    assert verdict.told == [1]


# Digests.


def digest(*items: dict[str, Any], more: int = 0, topics: Sequence[str] = ()) -> Verdict:
    topics = topics or ("price_drop", "new_product")
    facts = {"items": items, "more": more}
    wishes = [wanted(topic=each) for each in topics]
    return review().digest(row(topic="digest"), facts, wishes, {LAMP: heard()})


def candidate(topic: str = "price_drop", old: int | None = 50, **fields: Any) -> dict[str, Any]:
    defaults = {"topic": topic, "product_id": str(LAMP), "currency": "EUR", "old_minor": old}
    return defaults | fields


@pytest.mark.parametrize(
    ("item", "is_told"),
    [
        (candidate(), True),
        (candidate(old=40), False),
        (candidate(old=30), False),
        (candidate(currency="USD"), False),
        (candidate(product_id=str(new_id())), False),
        (candidate("new_product", None), True),
    ],
)
def test_a_digest_tells_what_is_still_true(item: dict[str, Any], *, is_told: bool) -> None:
    verdict = digest(item)
    assert bool(verdict.facts) is is_told
    if not is_told:
        assert verdict.cancelled == {1: "nothing of it is true any longer"}


def test_a_digest_tells_nothing_of_a_topic_that_was_ended() -> None:
    verdict = digest(candidate(), candidate("new_product", None), topics=["new_product"])
    assert verdict.facts is not None
    assert [each.topic for each in verdict.facts.items] == ["new_product"]


def test_a_digest_tells_nothing_of_a_product_whose_wish_was_ended() -> None:
    desk = new_id()
    items = [candidate(), candidate(product_id=str(desk))]
    products = {LAMP: heard(), desk: heard(id=desk)}
    for product_id, left in ((desk, [desk]), (LAMP, [LAMP]), (None, [LAMP, desk])):
        wishes = [wanted(topic="new_product"), wanted(product_id=product_id)]
        digest = {"items": items, "more": 0}
        verdict = review().digest(row(topic="digest"), digest, wishes, products)
        assert verdict.facts is not None
        assert [each.product_id for each in verdict.facts.items] == left


def test_a_digest_of_nothing_that_is_still_wanted_is_cancelled() -> None:
    mine, digest = row(topic="digest"), {"items": [candidate()], "more": 0}
    verdict = review().digest(mine, digest, [wanted(product_id=new_id())], {LAMP: heard()})
    assert verdict.cancelled == {1: "the subscription ended"}


def test_a_digest_that_is_forgotten_is_cancelled() -> None:
    verdict = review().digest(row(topic="digest"), None, [wanted()], {})
    assert verdict.cancelled == {1: "the digest is forgotten"}


def test_a_digest_counts_what_it_does_not_show() -> None:
    verdict = digest(*[candidate()] * (SHOWN + 3), more=100)
    assert verdict.facts is not None
    assert (len(verdict.facts.items), verdict.facts.more) == (SHOWN, 103)


def test_a_digest_to_somebody_who_wants_nothing_is_cancelled() -> None:
    verdict = review().digest(row(topic="digest"), {"items": [], "more": 0}, [], {})
    assert verdict.cancelled == {1: "the subscription ended"}


# Confirmations.


def asked(**fields: Any) -> Asked:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "topic": "price_drop",
        "target_minor": 45,
        "currency": "EUR",
        "locale": None,
        "expires_at": NOW + MINUTE,
        "confirmed_at": None,
    }
    return Asked(**defaults | fields)


def test_a_confirmation_tells_the_wish_and_has_its_secret_link() -> None:
    mine = row(topic="confirmation", secret="a secret")
    verdict = review().confirmation(mine, asked(), heard())
    assert verdict.facts is not None
    assert verdict.link == "a secret"
    assert (verdict.facts.topic, verdict.facts.target_minor) == ("price_drop", 45)
    assert [each.product_id for each in verdict.facts.items] == [LAMP]


@pytest.mark.parametrize(
    ("request_", "secret", "reason"),
    [
        (None, "a secret", "the request is forgotten"),
        (asked(), None, "the request is forgotten"),
        (asked(confirmed_at=NOW), "a secret", "it is confirmed already"),
        (asked(expires_at=NOW), "a secret", "the request has expired"),
    ],
)
def test_there_must_be_something_to_confirm(
    request_: Asked | None, secret: str | None, reason: str
) -> None:
    mine = row(topic="confirmation", secret=secret)
    assert review().confirmation(mine, request_, None).cancelled == {1: reason}
