"""The checker knows what must, may and must not arrive."""

import email
import email.policy
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.listener import Heard
from chaos.people import BURST, COOLDOWN_S, Wish
from chaos.reckoning.emails import check_emails
from chaos.reckoning.findings import Findings
from chaos.reckoning.history import History
from chaos.reckoning.mailbox import emails
from chaos.reckoning.notifications import check_notifications
from chaos.reckoning.told import Row, Told
from heliograph.testing import Received

LAMP, NAME = "0190-lamp", "Lamp 1.1"
ANN, BOB = Wish("ann@example.com", "new_product"), Wish("bob@example.com", "price_drop")
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
NO_LONGER = "the price is no longer lower"


def event(version: int, place: int, signal: str, product: str = LAMP, **shown: Any) -> Heard:
    body = json.dumps({"created": version == 1, "changes": None, "instance": shown})
    sequence = f"{version:012d}.{place:04d}"
    name = f"{product}.{version}.{place}".removeprefix(f"{LAMP}.")
    return Heard(name, f"catalog.product.{signal}", product, sequence, {}, body.encode())


def change(
    version: int, price: str, currency: str = "EUR", product: str = LAMP, name: str = NAME
) -> Heard:
    shown = {"name": name, "price": price, "currency": currency}
    return event(version, 0, "pre_save", product, **shown)


def created(product: str = LAMP, name: str = NAME) -> list[Heard]:
    saved = event(1, 1, "post_save", product)
    return [change(1, "50.00", product=product, name=name), saved]


CREATED = created()
DELETED = event(9, 1, "post_delete")


def row(id: int, event_id: str, wish: Wish, state: str = "sent", **fields: Any) -> Row:
    fields = {
        "product_id": LAMP,
        "currency": "EUR",
        "old_minor": None,
        "told_by": None,
        "told_at": NOW if state == "sent" else None,
        "told_minor": None,
        "told_currency": fields.get("currency", "EUR"),
        "reason": None,
        "sent_at": None,
    } | fields
    return Row(
        id=id,
        event_id=event_id,
        subscription_id=wish.email[0],
        email=wish.email,
        topic=wish.topic,
        state=state,
        **fields,
    )


def drop(id: int, event_id: str, old: int, state: str = "sent", **fields: Any) -> Row:
    return row(id, event_id, BOB, state, old_minor=old, **fields)


def came(of: Row, subject: str, text: str = "", at: datetime = NOW) -> Received:
    raw = (
        f"Message-ID: <{of.message_id}@example.com>\r\nDate: {at:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Subject: {subject}\r\n\r\n{text}\r\n"
    ).encode()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return Received("us@example.com", (of.email,), message, raw, at)


def fell(of: Row, new: str = "40.00 EUR", old: str = "50.00 EUR", at: datetime = NOW) -> Received:
    return came(of, f"Price drop: {NAME} now {new} (was {old})", at=at)


def wrong(
    events: Iterable[Heard],
    rows: Iterable[Row],
    received: Iterable[Received] = (),
    *wishes: Wish,
    gone_at: datetime | None = None,
) -> Findings:
    """What is found to be wrong."""
    findings = Findings()
    gone = {LAMP: gone_at} if gone_at else {}
    told = Told(History(events), wishes or (BOB,), rows, emails(received), gone)
    check_notifications(told, [], findings)
    check_emails(told, findings)
    return findings


FALL = [*CREATED, change(2, "40.00")]
TOLD = drop(1, "2.0", 5000, told_minor=4000)


def test_a_new_product_is_told_to_all_who_asked() -> None:
    told = row(1, "1.1", ANN)
    assert wrong(CREATED, [told], [came(told, f"New: {NAME}")], ANN).all() == []
    assert wrong(CREATED, [], [], ANN).lost
    assert wrong(CREATED, [told], [], ANN).lost
    assert wrong([], [], [came(told, f"New: {NAME}")], ANN).unexpected


def test_several_are_told_by_one_email_which_shows_them_or_says_how_many() -> None:
    told = row(1, "1.1", ANN)
    other = row(2, "desk.1.1", ANN, product_id="desk", told_by=1)
    events = [*CREATED, *created("desk", "Desk 1.2")]
    text = f"* {NAME}\n  50.00 EUR\n\nand 1 more"
    findings = wrong(events, [told, other], [came(told, "2 new products: these", text)], ANN)
    assert findings.unexpected == [f"shows 1 and 1 more, of 2: {told}"]
    assert (
        "shows" in wrong(CREATED, [told, other], [came(told, f"New: {NAME}")], ANN).unexpected[-1]
    )


def test_what_is_told_by_another_shares_its_fate() -> None:
    other = drop(2, "3.0", 4000, "pending", told_by=1)
    events = [*FALL, change(3, "30.00")]
    email = fell(TOLD, new="30.00 EUR")
    assert wrong(events, [TOLD, other], [email]).left_over
    assert wrong(events, [TOLD, drop(2, "3.0", 4000, "failed", told_by=1)], [email]).unexpected
    assert wrong(events, [TOLD, drop(2, "3.0", 4000, told_by=1)], [email]).all() == []


def test_a_drop_that_nobody_noted_is_lost_whatever_currency_stood_between() -> None:
    assert wrong(FALL, []).lost
    between = [*CREATED, change(2, "60.00", "USD"), change(3, "40.00")]
    assert wrong(between, []).lost
    assert wrong([*CREATED, change(2, "40.00", "USD")], []).all() == []


def test_a_target_is_told_once_it_is_crossed() -> None:
    patient = Wish("dan@example.com", "price_drop", LAMP, target=4500)
    told = row(1, "2.0", patient, told_minor=4000)
    reached = came(told, f"Target reached: {NAME} now 40.00 EUR (was 50.00 EUR)")
    assert wrong(FALL, [told], [reached], patient).all() == []
    assert wrong([*CREATED, change(2, "46.00")], [], [], patient).all() == []


@pytest.mark.parametrize(
    ("later", "reason", "lost"),
    [
        (change(3, "55.00"), NO_LONGER, 0),
        (change(3, "45.00"), NO_LONGER, 1),
        (change(3, "45.00", "USD"), "the price is in USD now", 0),
        (change(3, "45.00"), "the price is in USD now", 1),
        (DELETED, "the product is gone", 0),
        (change(3, "45.00"), "the product is gone", 1),
        (change(3, "55.00"), "the subscription ended", 1),
    ],
)
def test_what_is_cancelled_has_a_cause_that_was_committed(
    later: Heard, reason: str, lost: int
) -> None:
    cancelled = drop(1, "2.0", 5000, "cancelled", reason=reason)
    assert bool(wrong([*FALL, later], [cancelled]).lost) == lost


def test_the_last_drop_is_told_in_the_end_unless_a_lower_price_was() -> None:
    events = [*FALL, change(3, "60.00"), change(4, "55.00")]
    reason = "the price is no lower than the one that was told before"
    later = drop(2, "4.0", 6000, "cancelled", reason=reason)
    assert wrong(events, [TOLD, later], [fell(TOLD)]).all() == []
    assert wrong(events, [drop(1, "2.0", 5000, "cancelled", reason=NO_LONGER), later]).lost


def test_an_email_that_came_is_no_cancelled_one() -> None:
    cancelled = drop(1, "2.0", 5000, "cancelled", reason=NO_LONGER)
    assert wrong([*FALL, change(3, "55.00")], [cancelled], [fell(cancelled)]).unexpected


def test_only_what_the_mail_server_refused_for_good_has_failed() -> None:
    refused = drop(1, "2.0", 5000, "failed", reason="550 5.7.1 Never")
    assert wrong(FALL, [refused]).all() == []
    assert wrong(FALL, [drop(1, "2.0", 5000, "failed", reason="451 Later")]).lost


@pytest.mark.parametrize(
    ("new", "old"),
    [("39.00 EUR", "50.00 EUR"), ("40.00 EUR", "49.00 EUR"), ("40.00 USD", "50.00 EUR")],
)
def test_a_price_that_never_was_is_found(new: str, old: str) -> None:
    assert wrong(FALL, [TOLD], [fell(TOLD, new, old)]).unexpected


def test_an_email_about_a_price_tells_of_a_fall_unless_a_target_was_met_already() -> None:
    email = came(TOLD, f"Price drop: {NAME} now 40.00 EUR")
    assert wrong(FALL, [TOLD], [email]).unexpected
    eve = Wish("eve@example.com", "price_drop", LAMP, target=5500)
    met = row(1, "1.1", eve)
    reached = came(met, f"Target reached: {NAME} now 50.00 EUR")
    assert wrong(CREATED, [met], [reached], eve).all() == []


def test_a_price_from_before_the_drop_is_false() -> None:
    events = [*FALL, change(3, "45.00"), change(4, "30.00")]
    told = drop(2, "4.0", 4500)
    findings = wrong(events, [TOLD, told], [fell(TOLD), fell(told, at=NOW + timedelta(minutes=1))])
    assert ["which had" in each for each in findings.unexpected] == [True]


def test_an_email_of_a_product_that_was_known_to_be_gone_is_found() -> None:
    def found(seconds: float) -> list[str]:
        heard = NOW - timedelta(seconds=seconds)
        return wrong([*FALL, DELETED], [TOLD], [fell(TOLD)], gone_at=heard).unexpected

    assert found(60)
    assert not found(-5)
    assert not found(3600.5), "the database's clock may have jumped in between"


def test_copies_are_alike() -> None:
    other = fell(TOLD, at=NOW + timedelta(seconds=1))
    assert wrong(FALL, [TOLD], [fell(TOLD), fell(TOLD)]).all() == []
    assert wrong(FALL, [TOLD], [fell(TOLD), other]).unexpected


@pytest.mark.parametrize(("seconds", "over"), [(COOLDOWN_S, 0), (COOLDOWN_S - 1, 1)])
def test_two_emails_of_one_price_are_a_cool_down_apart(seconds: float, over: int) -> None:
    later = drop(2, "3.0", 4000)
    second = fell(later, "30.00 EUR", "40.00 EUR", NOW + timedelta(seconds=seconds))
    events = [*FALL, change(3, "30.00")]
    assert len(wrong(events, [TOLD, later], [fell(TOLD), second]).all()) == over


@pytest.mark.parametrize(("count", "over"), [(BURST, 0), (BURST + 1, 1)])
def test_new_products_come_no_more_often_in_an_hour_than_is_allowed(count: int, over: int) -> None:
    names = {f"lamp-{each}": f"Lamp {each}.1" for each in range(count)}
    events = [each for product, name in names.items() for each in created(product, name)]
    rows = [
        row(number, f"{product}.1.1", ANN, product_id=product)
        for number, product in enumerate(names, 1)
    ]
    received = [
        came(each, f"New: {name}", at=NOW + timedelta(minutes=each.id))
        for each, name in zip(rows, names.values(), strict=True)
    ]
    found = wrong(events, rows, received, ANN).all()
    assert [each.startswith(f"unexpected: more than {BURST}") for each in found] == [True] * over


def test_whoever_asked_for_digests_gets_one() -> None:
    gus = Wish("gus@example.com", "price_drop", frequency="daily")
    assert wrong(FALL, [], [], gus).lost
    told = row(1, "d1", Wish(gus.email, "digest"), product_id=None)
    text = f"Lower prices\n\n* {NAME}\n  40.00 EUR (was 50.00 EUR, -20 %)"
    assert wrong(FALL, [told], [came(told, "Your digest: 1 lower price", text)], gus).all() == []
    false = text.replace("40.00", "41.00")
    assert wrong(FALL, [told], [came(told, "Your digest: 1 lower price", false)], gus).unexpected
