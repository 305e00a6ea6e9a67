"""The checker finds what it is there to find."""

import json
from dataclasses import replace
from typing import Any

from chaos.listener import Heard
from chaos.reckoning.checker import Records, check
from chaos.reckoning.findings import Findings
from chaos.reckoning.ledger import Entry, Ledger

LAMP = "0190-lamp"


def heard(id: str, key: str, sequence: str | None, **data: Any) -> Heard:
    shown = {"description": "", "name": "Lamp", "price": "50.00", "currency": "EUR"}
    shown |= data.pop("instance", {})
    body = {"created": False, "changes": None, "instance": shown, **data}
    return Heard(id, f"catalog.product.{key}", LAMP, sequence, {}, json.dumps(body).encode())


CREATED = [
    heard("e1", "pre_save", "000000000001.0000"),
    heard("e2", "post_save", "000000000001.0001", created=True, instance={"description": "mark-0"}),
]
DELETED = [
    heard("e3", "pre_delete", "000000000002.0000"),
    heard("e4", "post_delete", "000000000002.0001"),
]
INBOX = {
    "email_new_product": {"e2": "done"},
    "email_price_drop": {"e1": "done"},
    "purge_images": {},
    "record_views": {},
}


def gone(*images: str) -> dict[str, dict[str, str]]:
    """What receivers have done once the product is deleted."""
    purged = dict.fromkeys(["e3", *images], "done")
    news = {**INBOX["email_new_product"], "e4": "done"}
    return {**INBOX, "email_new_product": news, "purge_images": purged}


def ledger(*entries: Entry) -> Ledger:
    return Ledger([*entries] or [Entry("create", "mark-0", LAMP, "ok")])


def records(**fields: Any) -> Records:
    defaults: dict[str, Any] = {
        "versions": {LAMP: 1},
        "inbox": INBOX,
        "view_counts": {},
        "notifications": [],
        "emails": {},
        "gone_at": {},
    }
    return Records(**defaults | fields)


def found(events: list[Heard], kept: Records | None = None, told: Ledger | None = None) -> Findings:
    return check(told or ledger(), events, kept or records())


def test_a_world_in_which_all_was_kept_passes() -> None:
    assert found(CREATED).all() == []


def test_repeats_are_no_findings() -> None:
    assert found([*CREATED, CREATED[0]]).all() == []


def test_an_event_that_never_came_is_lost() -> None:
    assert f"{LAMP}: 000000000001.0000" in found(CREATED[1:]).lost


def test_a_change_that_a_client_was_told_of_is_lost_if_nobody_announced_it() -> None:
    told = ledger(Entry("update", "mark-7", LAMP, "ok"))
    assert found(CREATED, told=told).lost == [f"update mark-7 of {LAMP} (ok)"]


def test_a_change_of_unknown_fate_may_have_happened_or_not() -> None:
    told = ledger(Entry("create", "mark-0", LAMP), Entry("update", "mark-7", LAMP))
    assert found(CREATED, told=told).all() == []


def test_a_change_that_was_refused_and_announced_is_unexpected() -> None:
    told = ledger(Entry("create", "mark-0", LAMP, "refused"))
    assert found(CREATED, told=told).unexpected


def test_an_announced_product_that_is_not_there_is_unexpected() -> None:
    assert found(CREATED, records(versions={})).unexpected


def test_a_deleted_product_is_where_it_should_be() -> None:
    events = [*CREATED, *DELETED]
    inbox = gone()
    told = ledger(Entry("create", "mark-0", LAMP, "ok"), Entry("delete", "mark-1", LAMP, "ok"))
    assert found(events, records(versions={}, inbox=inbox), told).all() == []
    assert found(events, records(inbox=inbox), told).unexpected


def test_the_events_of_a_deleted_products_images_come_before_its_own() -> None:
    image = [
        replace(heard("i1", "", "000000000002.0000"), routing_key="catalog.image.pre_delete"),
        replace(heard("i2", "", "000000000002.0001"), routing_key="catalog.image.post_delete"),
    ]
    product = [
        heard("e3", "pre_delete", "000000000002.0002"),
        heard("e4", "post_delete", "000000000002.0003"),
    ]
    inbox = gone("i1")
    without = records(versions={}, inbox=inbox)
    assert found([*CREATED, *image, *product], without).all() == []
    assert f"{LAMP}: 000000000002.0001" in found([*CREATED, image[0], *product], without).lost


def test_a_later_event_that_comes_first_is_out_of_order() -> None:
    assert len(found([CREATED[1], CREATED[0]]).out_of_order) == 1


def test_two_events_with_one_place_are_unexpected() -> None:
    twin = heard("e9", "pre_save", "000000000001.0000")
    inbox = {**INBOX, "email_price_drop": {"e1": "done", "e9": "done"}}
    findings = found([CREATED[0], CREATED[1], twin], records(inbox=inbox))
    assert f"{LAMP}: 000000000001.0000 by 2 events" in findings.unexpected


def test_a_receiver_that_never_got_its_event_lost_it() -> None:
    inbox = {**INBOX, "email_new_product": {}}
    assert found(CREATED, records(inbox=inbox)).lost == ["email_new_product never got e2"]


def test_a_parked_event_is_left_over() -> None:
    inbox = {**INBOX, "email_new_product": {"e2": "parked"}}
    assert found(CREATED, records(inbox=inbox)).left_over


def test_a_view_that_counts_twice_is_found() -> None:
    events = [*CREATED, heard("v1", "viewed", None)]
    inbox = {**INBOX, "record_views": {"v1": "done"}}
    assert found(events, records(inbox=inbox, view_counts={LAMP: 1})).all() == []
    assert found(events, records(inbox=inbox, view_counts={LAMP: 2})).twice
    assert found(events, records(inbox=inbox)).lost
