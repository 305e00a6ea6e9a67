"""Holds what was asked, what is in the catalog, what was announced and what was sent together."""

import re
from collections import defaultdict
from dataclasses import dataclass

import httpx2

from tests.containers.balanced import Balanced
from tests.containers.mailbox import Mail, Note
from tests.containers.stranger import Heard
from tests.containers.traffic import PRICES, Traffic

DELETED = "post_delete"
PRICE_DROP = re.compile(r"Price drop: \S+ now (?P<new>\S+) EUR \(was (?P<old>\S+) EUR\)")


@dataclass(frozen=True)
class Reckoning:
    """The figures of one run, once everything was found to be right."""

    asked: int
    ok: int
    refused: int
    unknown: int
    committed: int
    announced: int
    emails: int
    repeated_emails: int

    def __str__(self) -> str:
        return (
            f"{self.asked} asked: {self.ok} ok, {self.refused} refused, {self.unknown} unknown;"
            f" {self.committed} committed, {self.announced} announced;"
            f" {self.emails} emails, {self.repeated_emails} repeated"
        )


def reckon(
    traffic: Traffic, catalog: Balanced, heard: list[Heard], notes: list[Note], mails: list[Mail]
) -> Reckoning:
    """Fail unless every committed change was announced, in order, and had its effect once.

    `heard` are first copies only, in the order of arrival. An email may have been sent
    again under the same Message-ID; such repeats are counted.
    """
    stored = _stored(catalog, traffic.label)
    lives: dict[str, list[Heard]] = defaultdict(list)
    for event in heard:
        lives[event.subject].append(event)
    assert set(stored) <= set(lives), "a product exists that was never announced"
    committed = sum(_check_life(life, stored.get(product)) for product, life in lives.items())
    _check_ledger(traffic, lives)
    ours = _check_told(lives, notes, mails)
    emails = len({each.message_id for each in ours})
    return Reckoning(
        asked=len(traffic.ledger),
        ok=len(traffic.made("ok")),
        refused=len(traffic.made("refused")),
        unknown=len(traffic.made("unknown")),
        committed=committed,
        announced=sum(event.signal in {"post_save", DELETED} for event in heard),
        emails=emails,
        repeated_emails=len(ours) - emails,
    )


def _stored(catalog: Balanced, label: str) -> dict[str, int]:
    """The versions of the products that exist, by their ids."""
    versions: dict[str, int] = {}
    after = None
    while True:
        parameters = {"q": label, "limit": "200", **({"after": after} if after else {})}
        page = catalog.call("GET", "/v1/products", params=parameters).raise_for_status().json()
        versions |= {
            each["id"]: each["version"]
            for each in page["items"]
            if each["name"].startswith(f"{label}-")
        }
        after = page["next"]
        if after is None:
            return versions


def _check_life(life: list[Heard], version: int | None) -> int:
    """Check the events of one product; return how many changes to it were committed."""
    sequences = [event.sequence for event in life]
    assert sequences == sorted(set(sequences)), "events left out of their order"
    signals = [event.signal for event in life]
    deleted = signals[-1] == DELETED
    saves = (len(signals) - 2 * deleted) // 2
    assert signals == ["pre_save", "post_save"] * saves + ["pre_delete", DELETED] * deleted
    versions = [e.body["instance"]["version"] for e in life if e.signal == "post_save"]
    assert versions == list(range(1, saves + 1)), "a committed change was not announced"
    assert version == (None if deleted else saves), "what was announced is not what is stored"
    prices = [e.body["instance"]["price"] for e in life if e.signal == "post_save"]
    assert prices == sorted(set(prices), key=PRICES.index)
    return saves + deleted


def _check_ledger(traffic: Traffic, lives: dict[str, list[Heard]]) -> None:
    """What was answered as done was announced; what was refused was not."""
    announced = {
        (event.body["instance"]["name"], event.body["instance"]["price"])
        for life in lives.values()
        for event in life
        if event.signal == "post_save"
    }
    deleted = {
        life[-1].body["instance"]["name"] for life in lives.values() if life[-1].signal == DELETED
    }
    for change in traffic.ledger:
        assert change.status != httpx2.codes.INTERNAL_SERVER_ERROR, change
        found = (
            change.name in deleted
            if change.what == "delete"
            else (change.name, change.price) in announced
        )
        assert change.outcome == "unknown" or found == (change.outcome == "ok"), change
    assert {name for name, _ in announced} <= {change.name for change in traffic.ledger}


def _check_told(lives: dict[str, list[Heard]], notes: list[Note], mails: list[Mail]) -> list[Mail]:
    """Whoever is told of everything was told of each of these, as it was; returns the emails.

    One email may tell of several. What was deleted, or told already, need not be told.
    """
    wanted = {event.id: life for life in lives.values() for event in life if _is_news(event)}
    noted = {note.event_id: note for note in notes if note.product in lives}
    assert noted.keys() == wanted.keys()
    rows = {note.id: note for note in notes}
    told = set()
    for note in noted.values():
        if note.state == "cancelled":
            gone = wanted[note.event_id][-1].signal == DELETED
            assert gone or note.reason.startswith("the price is no lower"), note
        else:
            assert note.state == "sent", note
            told.add(rows[note.told_by or note.id].message_id)
    ours = [each for each in mails if each.message_id.partition("@")[0] in told]
    assert {each.message_id.partition("@")[0] for each in ours} == told
    for mail in ours:
        if found := PRICE_DROP.fullmatch(mail.subject):
            assert PRICES.index(found["old"]) < PRICES.index(found["new"]), mail
    return ours


def _is_news(event: Heard) -> bool:
    """Whether it is an event that the subscribers of everything are told of."""
    if event.signal == "post_save":
        return bool(event.body["created"])
    return event.signal == "pre_save" and "price" in (event.body["changes"] or {})
